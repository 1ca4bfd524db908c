import {
  Client,
  credentials,
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  Server,
  ServerCredentials,
  status,
} from "@grpc/grpc-js";

/** What a test's gRPC server does, by method; messages are bytes. */
export interface GrpcBackend {
  readonly port: number;
  /** Calls that have begun, by method. */
  readonly calls: string[];
  /** Methods whose calls were cancelled or ran out of time. */
  readonly cancelled: string[];
  /** `grpc-timeout` as the server saw it, in ms, of the last call; infinite without. */
  readonly deadlineMs: () => number;
  /** Tells clients to go, and ends behind the calls under way. */
  drain(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const PATH = "/test.Echo/";
const same = (bytes: Buffer): Buffer => bytes;

function definition(name: string, requestStream: boolean, responseStream: boolean) {
  const codec = {
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
  return { path: `${PATH}${name}`, requestStream, responseStream, ...codec };
}

const SERVICE = {
  Unary: definition("Unary", false, false),
  Fail: definition("Fail", false, false),
  Hang: definition("Hang", false, false),
  Down: definition("Down", false, true),
  Up: definition("Up", true, false),
  Both: definition("Both", true, true),
};

/** Starts a gRPC server that echoes in all four ways, fails as it is told, and hangs. */
export async function startGrpc(): Promise<GrpcBackend> {
  const calls: string[] = [];
  const cancelled: string[] = [];
  let deadline = Number.POSITIVE_INFINITY;
  const server = new Server({ "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 });
  const begun = (name: string, call: { on(event: string, f: () => void): unknown; getDeadline(): Date | number }) => {
    calls.push(name);
    deadline = Number(call.getDeadline()) - Date.now();
    call.on("cancelled", () => cancelled.push(name));
  };
  const unary: handleUnaryCall<Buffer, Buffer> = (call, done) => {
    begun("Unary", call);
    const trailers = new Metadata();
    for (const key of ["x-text", "x-bytes-bin"]) for (const value of call.metadata.get(key)) trailers.add(key, value);
    done(null, call.request, trailers);
  };
  const fail: handleUnaryCall<Buffer, Buffer> = (call, done) => {
    begun("Fail", call);
    done({ code: status.FAILED_PRECONDITION, details: call.request.toString() });
  };
  const hang: handleUnaryCall<Buffer, Buffer> = (call) => begun("Hang", call);
  const down: handleServerStreamingCall<Buffer, Buffer> = (call) => {
    begun("Down", call);
    const count = call.request.readUInt32BE(0);
    for (let i = 0; i < count; i++) call.write(Buffer.from(`message ${i}`));
    if (count > 0) call.end();
    else call.write(Buffer.from("first of a stream without end"));
  };
  const up: handleClientStreamingCall<Buffer, Buffer> = (call, done) => {
    begun("Up", call);
    let size = 0;
    call.on("data", (bytes: Buffer) => {
      size += bytes.length;
    });
    call.on("end", () => done(null, Buffer.from(String(size))));
  };
  const both: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
    begun("Both", call);
    call.on("data", (bytes: Buffer) => call.write(bytes));
    call.on("end", () => call.end());
  };
  server.addService(SERVICE, { Unary: unary, Fail: fail, Hang: hang, Down: down, Up: up, Both: both });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    ),
  );
  return {
    port,
    calls,
    cancelled,
    deadlineMs: () => deadline,
    drain: () => new Promise((resolve) => server.tryShutdown(() => resolve())),
    [Symbol.asyncDispose]: async () => server.forceShutdown(),
  };
}

/** A client of that server, at whatever stands before it. */
export function grpcClient(port: number): Client {
  const options = { "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 };
  return new Client(`127.0.0.1:${port}`, credentials.createInsecure(), options);
}

/** How a call ended. */
export interface CallEnd {
  readonly code: number;
  readonly details: string;
  readonly message: Buffer | null;
  readonly trailers: Metadata | null;
}

/** One message there, one back. */
export function unaryCall(
  client: Client,
  method: string,
  message: Buffer,
  options: {
    readonly deadlineMs?: number;
    readonly metadata?: Metadata;
    readonly onCall?: (cancel: () => void) => void;
  } = {},
): Promise<CallEnd> {
  return new Promise((resolve) => {
    let trailers: Metadata | null = null;
    let end: CallEnd | null = null;
    const finish = () => {
      if (end !== null && trailers !== null) resolve({ ...end, trailers });
    };
    const call = client.makeUnaryRequest(
      `${PATH}${method}`,
      same,
      same,
      message,
      options.metadata ?? new Metadata(),
      options.deadlineMs === undefined ? {} : { deadline: Date.now() + options.deadlineMs },
      (error, response) => {
        end = { code: error?.code ?? status.OK, details: error?.details ?? "", message: response ?? null, trailers };
        finish();
      },
    );
    call.on("status", (status) => {
      trailers = status.metadata;
      finish();
    });
    options.onCall?.(() => call.cancel());
  });
}

/** Messages of a stream the server sends. */
export async function downCall(client: Client, count: number): Promise<string[]> {
  const message = Buffer.alloc(4);
  message.writeUInt32BE(count);
  const call = client.makeServerStreamRequest(`${PATH}Down`, same, same, message);
  const messages: string[] = [];
  for await (const bytes of call) messages.push(String(bytes));
  return messages;
}

/** What a server counts of a stream the client sends. */
export function upCall(client: Client, messages: readonly Buffer[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = client.makeClientStreamRequest(`${PATH}Up`, same, same, (error, response) =>
      error === null ? resolve(String(response)) : reject(error),
    );
    for (const message of messages) call.write(message);
    call.end();
  });
}

/** Sends each message once the one before has come back, then says that it has no more. */
export async function bothCall(client: Client, messages: readonly string[]): Promise<string[]> {
  const call = client.makeBidiStreamRequest(`${PATH}Both`, same, same);
  const seen: string[] = [];
  call.write(Buffer.from(messages[0]!));
  for await (const bytes of call) {
    seen.push(String(bytes));
    if (seen.length < messages.length) call.write(Buffer.from(messages[seen.length]!));
    else call.end();
  }
  return seen;
}

export { Client, Metadata, status };
