import { lacking } from "../../harness/mod.ts";
import type { Version } from "../case.ts";
import { HOSTNAME, type Hop, type Peer } from "../peer.ts";

export const haproxy: Peer = {
  name: "HAProxy",
  bytes: true,
  lacking: async () => lacking({ programs: ["haproxy"] }),
  async command(hop) {
    await hop.folder.write("identity.pem", hop.identity.certificate + hop.identity.privateKey);
    await hop.folder.write("bundle.pem", hop.identity.bundle);
    return [
      "haproxy",
      "-db",
      "-q",
      "-f",
      await hop.folder.write("haproxy.cfg", hop.bytes ? copying(hop) : config(hop)),
    ];
  },
};

function config({ folder, port, accepts, takes, plainPort, upstream, dials, speaks, admin }: Hop): string {
  const secure = tls(folder);
  const edge = `ssl crt ${folder.path}/identity.pem ssl-min-ver TLSv1.3`;
  const bind = words({ tls: secure, edge, plain: "" }[accepts], takes, accepts);
  const server = words(dials === "tls" ? `${secure} verifyhost ${HOSTNAME} sni str(${HOSTNAME})` : "", speaks, dials);
  return `
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend proxy
  bind 127.0.0.1:${port} ${bind}
  bind 127.0.0.1:${plainPort}
  acl api path_beg /api/
  use_backend web if api
backend web
  http-reuse always
  server web 127.0.0.1:${upstream} ${server}
frontend metrics
  bind 127.0.0.1:${admin}
  http-request use-service prometheus-exporter if { path /metrics }
`;
}

function tls({ path }: Hop["folder"]): string {
  return `ssl crt ${path}/identity.pem ca-file ${path}/bundle.pem verify required ssl-min-ver TLSv1.3`;
}

function copying({ folder, port, accepts, plainPort, upstream, dials }: Hop): string {
  const server = dials === "tls" ? `${tls(folder)} verifyhost ${HOSTNAME} sni str(${HOSTNAME})` : "";
  return `
global
  nbthread 1
  maxconn 4096
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend proxy
  bind 127.0.0.1:${port} ${accepts === "tls" ? tls(folder) : ""}
  bind 127.0.0.1:${plainPort}
  default_backend web
backend web
  server web 127.0.0.1:${upstream} ${server}
`;
}

function words(tls: string, version: Version, transport: Hop["accepts"]): string {
  if (version === "http1") return tls;
  return transport === "tls" ? `${tls} alpn h2` : "proto h2";
}
