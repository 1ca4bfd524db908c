import { isRoot, lacking } from "../../harness/mod.ts";
import { HOSTNAME, type Hop, type Peer } from "../peer.ts";

export const nginx: Peer = {
  name: "nginx",
  lacking: async () => lacking({ programs: ["nginx"] }),
  command: async (hop) => nginxCommand(hop.folder, await server(hop)),
};

/** Writes a config around the `http` content given, and says how to run it: one worker, in the foreground. */
export async function nginxCommand(folder: Hop["folder"], http: string): Promise<readonly string[]> {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `  ${name}_temp_path ${folder.path}/${name};`)
    .join("\n");
  const config = `${isRoot ? "user root;\n" : ""}worker_processes 1;
daemon off;
pid ${folder.path}/nginx.pid;
error_log stderr crit;
events { worker_connections 4096; }
http {
${temporary}
  access_log off;
  keepalive_timeout 600s;
  keepalive_requests 1000000000;
${http}
}
`;
  return ["nginx", "-p", folder.path, "-e", "stderr", "-c", await folder.write("nginx.conf", config)];
}

async function server(hop: Hop): Promise<string> {
  const { folder, port, accepts, takes, plainPort, upstream, dials, speaks, admin, identity } = hop;
  const certificate = await folder.write("certificate.pem", identity.certificate);
  const key = await folder.write("key.pem", identity.privateKey);
  const bundle = await folder.write("bundle.pem", identity.bundle);
  const inbound = `ssl_certificate ${certificate}; ssl_certificate_key ${key}; ssl_client_certificate ${bundle};
    ssl_verify_client ${accepts === "tls" ? "on" : "off"}; ssl_protocols TLSv1.3;`;
  // HTTP/2 goes on only as gRPC.
  const way = speaks === "http2" ? "grpc" : "proxy";
  const outbound = `${way}_ssl_certificate ${certificate}; ${way}_ssl_certificate_key ${key};
    ${way}_ssl_trusted_certificate ${bundle}; ${way}_ssl_verify on; ${way}_ssl_name ${HOSTNAME};
    ${way}_ssl_server_name on; ${way}_ssl_protocols TLSv1.3;`;
  const secure = dials === "tls" ? "s" : "";
  const pass =
    way === "grpc"
      ? `grpc_pass grpc${secure}://web;`
      : `proxy_pass http${secure}://web; proxy_http_version 1.1; proxy_set_header Connection "";`;
  const routes = `location /api/ { ${pass} ${dials === "tls" ? outbound : ""} } location / { return 404; }`;
  return `
  upstream web { server 127.0.0.1:${upstream}; keepalive 256; keepalive_requests 1000000000; keepalive_timeout 600s; }
  server {
    listen 127.0.0.1:${port}${accepts === "plain" ? "" : " ssl"}${takes === "http2" ? " http2" : ""};
    ${accepts === "plain" ? "" : inbound}
    ${routes}
  }
  server { listen 127.0.0.1:${plainPort}; ${routes} }
  server { listen 127.0.0.1:${admin}; location = /metrics { stub_status; } }`;
}
