import { describe, expect } from "bun:test";
import { connectHttp2, get, post } from "../harness/http2.ts";
import {
  type Certificates,
  certificates,
  type Folder,
  type IdentityFiles,
  lacking,
  ok,
  output,
  request,
  startBackend,
  temporaryFolder,
  testUnless,
} from "../harness/mod.ts";
import { startPlane } from "../harness/plane.ts";
import { type ServerProgram, startServerProgram } from "../harness/server-program.ts";

const BODY = "a body of some length, again and again\n".repeat(5_000);
const AT_ONCE = 50;

/** A server of HTTP/2 that others wrote. */
interface Server {
  readonly name: string;
  readonly lacking: string | null;
  /** It knows TLS too. */
  readonly secure: boolean;
  /** It sends back what it is sent. */
  readonly echoes: boolean;
  /** Serves `BODY` at `/body`. */
  start(folder: Folder, tls: IdentityFiles | null): Promise<ServerProgram>;
}

const nghttpd: Server = {
  name: "nghttpd",
  lacking: lacking({ programs: ["nghttpd"] }),
  secure: true,
  echoes: true,
  async start(folder, tls) {
    await folder.write("www/body", BODY);
    const [certificate, key] = tls?.files.split(",") ?? [];
    const flags = ["-a", "127.0.0.1", "-d", `${folder.path}/www`, "--echo-upload"];
    return await startServerProgram((port) => [
      "nghttpd",
      ...flags,
      ...(tls === null ? ["--no-tls", String(port)] : [String(port), key!, certificate!]),
    ]);
  },
};

const nginx: Server = {
  name: "nginx",
  lacking: lacking({ programs: ["nginx"] }),
  secure: true,
  echoes: false,
  async start(folder, tls) {
    await folder.write("www/body", BODY);
    const [certificate, key] = tls?.files.split(",") ?? [];
    const files =
      tls === null ? "" : `ssl_certificate ${certificate}; ssl_certificate_key ${key}; ssl_protocols TLSv1.3;`;
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    return await startServerProgram(async (port) => {
      const config = `daemon off; master_process off; pid ${folder.path}/pid; error_log stderr crit; events {}
http { access_log off; ${temporary.map((name) => `${name}_temp_path ${folder.path}/${name};`).join(" ")}
server { listen 127.0.0.1:${port}${tls === null ? "" : " ssl"} http2; ${files} root ${folder.path}/www; } }`;
      return ["nginx", "-p", folder.path, "-e", "stderr", "-c", await folder.write("nginx.conf", config)];
    });
  },
};

const haproxy: Server = {
  name: "HAProxy",
  lacking: lacking({ programs: ["haproxy"] }),
  secure: false,
  echoes: false,
  async start(folder) {
    const file = await folder.write("body", BODY.slice(0, 10_000));
    return await startServerProgram(async (port) => {
      const config = `global
  tune.bufsize 32768
defaults
  mode http
  timeout client 60s
frontend web
  bind 127.0.0.1:${port} proto h2
  http-request return status 200 content-type text/plain file ${file}
`;
      return ["haproxy", "-db", "-q", "-f", await folder.write("haproxy.cfg", config)];
    });
  },
};

const envoy: Server = {
  name: "Envoy",
  lacking: lacking({ programs: ["envoy"] }),
  secure: false,
  echoes: false,
  async start(folder) {
    return await startServerProgram(async (port) => {
      const file = await folder.write("envoy.json", JSON.stringify(envoyConfig(port)));
      return ["envoy", "-c", file, "--concurrency", "1", "--disable-hot-restart", "-l", "off"];
    });
  },
};

function envoyConfig(port: number): object {
  const extension = "type.googleapis.com/envoy.extensions.filters";
  const direct_response = { status: 200, body: { inline_string: BODY.slice(0, 4_000) } };
  const manager = {
    "@type": `${extension}.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: "web",
    codec_type: "HTTP2",
    route_config: {
      virtual_hosts: [{ name: "web", domains: ["*"], routes: [{ match: { prefix: "/" }, direct_response }] }],
    },
    http_filters: [
      { name: "envoy.filters.http.router", typed_config: { "@type": `${extension}.http.router.v3.Router` } },
    ],
  };
  const filters = [{ name: "envoy.filters.network.http_connection_manager", typed_config: manager }];
  const address = { socket_address: { address: "127.0.0.1", port_value: port } };
  return { static_resources: { listeners: [{ name: "web", address, filter_chains: [{ filters }] }] } };
}

for (const server of [nghttpd, nginx, haproxy, envoy]) {
  for (const transport of server.secure ? (["cleartext", "TLS"] as const) : (["cleartext"] as const)) {
    describe(`${server.name} over ${transport}`, () => {
      testUnless(server.lacking)("answers HTTP/1.1 and HTTP/2 clients, many at once", async () => {
        await using set = await setUp(server, transport === "TLS");
        const { port } = set.plane;

        const first = await request(port, { target: "/body" });
        await using client = await connectHttp2(port, [[4, 1_000_000]]);
        const streams = Array.from({ length: AT_ONCE }, () => client.request(get("/body")));
        const responses = await Promise.all(streams.map((stream) => client.response(stream)));

        expect(first.status).toBe(200);
        expect([first.text.length >= 4_000, BODY.startsWith(first.text)]).toEqual([true, true]);
        for (const { status, body } of responses) expect([status, String(body) === first.text]).toEqual(["200", true]);
        expect(set.plane.warnings).toEqual([]);
      });

      if (!server.echoes) return;
      testUnless(server.lacking)("gets bodies whole, and its own come back", async () => {
        await using set = await setUp(server, transport === "TLS");
        const { port } = set.plane;

        const first = await request(port, { method: "POST", target: "/echo", body: BODY });
        await using client = await connectHttp2(port);
        const second = await client.response(client.request(post("/echo"), BODY.slice(0, 16_000)));

        expect([first.status, first.text === BODY]).toEqual([200, true]);
        expect([second.status, String(second.body) === BODY.slice(0, 16_000)]).toEqual(["200", true]);
      });
    });
  }
}

async function setUp(server: Server, tls: boolean) {
  const folder = temporaryFolder();
  const authority = tls ? await certificates() : null;
  const [theirs, ours] = await Promise.all(["web", "near"].map((name) => issue(authority, name)));
  const program = await server.start(folder, theirs ?? null);
  const secure = ours === null || ours === undefined ? {} : { identity: ours, transport: "plain", upstreamTls: true };
  const plane = await startPlane(program.port, { appProtocol: "http2", ...(secure as object) });
  return {
    plane,
    async [Symbol.asyncDispose]() {
      await plane[Symbol.asyncDispose]();
      await program[Symbol.asyncDispose]();
      await authority?.[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function issue(authority: Certificates | null, name: string): Promise<IdentityFiles | null> {
  return authority === null ? null : await authority.issue(`spiffe://cluster.local/ns/default/sa/${name}`);
}

const CHROMIUM = [
  ...["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
  ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
];

/** Says by which protocol it came, once its image has come too. */
const PAGE = `<!doctype html><title>x</title><p id=p></p><script>
const [page] = performance.getEntriesByType("navigation");
fetch("/more", { method: "POST", body: "a".repeat(100000) }).then((answer) => answer.text()).then((text) => {
  const [more] = performance.getEntriesByType("resource").filter(({ name }) => name.endsWith("/more"));
  document.getElementById("p").textContent = "page " + page.nextHopProtocol + ", more " + more.nextHopProtocol + ", " + text;
});
</script>`;

testUnless(lacking({ programs: ["chromium"] }))(
  "Chromium speaks HTTP/2 to us over TLS, and gets its page",
  async () => {
    await using folder = temporaryFolder();
    await using authority = await certificates();
    const identity = await authority.issue("spiffe://cluster.local/ns/default/sa/web", 3600, "localhost");
    await using backend = await startBackend(async (asked, to) => {
      const { bytes } = await asked.body;
      const answer = asked.method === "POST" ? `${bytes.length} bytes` : PAGE;
      await ok(answer, [["Content-Type", "text/html"]])(asked, to);
    });
    await using plane = await startPlane(backend.port, { identity: { ...identity, bundle: null } });
    const flags = [
      `--user-data-dir=${folder.path}/profile`,
      "--ignore-certificate-errors",
      "--virtual-time-budget=5000",
    ];

    const page = await output([...CHROMIUM, ...flags, "--dump-dom", `https://127.0.0.1:${plane.port}/`]);

    expect(page).toContain("page h2, more h2, 100000 bytes");
    expect(plane.warnings).toEqual([]);
  },
);
