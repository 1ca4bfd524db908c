/** Frame types (RFC 9113, section 6). */
export const FrameType = {
  Data: 0,
  Headers: 1,
  Priority: 2,
  RstStream: 3,
  Settings: 4,
  PushPromise: 5,
  Ping: 6,
  GoAway: 7,
  WindowUpdate: 8,
  Continuation: 9,
} as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

export const Flag = { EndStream: 1, Ack: 1, EndHeaders: 4, Padded: 8, Priority: 0x20 } as const;

/** Error codes (RFC 9113, section 7). */
export const ErrorCode = {
  NoError: 0,
  ProtocolError: 1,
  InternalError: 2,
  FlowControlError: 3,
  SettingsTimeout: 4,
  StreamClosed: 5,
  FrameSizeError: 6,
  RefusedStream: 7,
  Cancel: 8,
  CompressionError: 9,
  ConnectError: 10,
  EnhanceYourCalm: 11,
  InadequateSecurity: 12,
  Http11Required: 13,
} as const;
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

export const Setting = {
  HeaderTableSize: 1,
  EnablePush: 2,
  MaxConcurrentStreams: 3,
  InitialWindowSize: 4,
  MaxFrameSize: 5,
  MaxHeaderListSize: 6,
  EnableConnectProtocol: 8,
} as const;

export const FRAME_HEADER_BYTES = 9;
/** What both sides take and send: larger frames would only hold up the other streams. */
export const FRAME_BYTES = 16_384;
export const DEFAULT_WINDOW = 65_535;
export const MAX_WINDOW = 0x7fffffff;

export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** Bytes that could be the beginning of a preface, and of no HTTP/1 request. */
export function mayBePreface(bytes: Uint8Array, start: number, end: number): boolean {
  const size = Math.min(end - start, PREFACE.length);
  for (let i = 0; i < size; i++) if (bytes[start + i] !== PREFACE[i]) return false;
  return size > 0;
}

export function uint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

/** Without the reserved bit. */
export function uint31(bytes: Uint8Array, at: number): number {
  return uint32(bytes, at) & 0x7fffffff;
}
