import half from "../../examples/canary/half.yaml" with { type: "text" };
import services from "../../examples/canary/mesh.yaml" with { type: "text" };
import tenth from "../../examples/canary/tenth.yaml" with { type: "text" };
import apiKey from "../../examples/policies/api-key.yaml" with { type: "text" };
import canary from "../../examples/policies/canary.yaml" with { type: "text" };
import rateLimit from "../../examples/policies/rate-limit.yaml" with { type: "text" };

/** What the control plane starts with. */
export const SERVICES: string = services;

/** What is applied while it runs: path → text, as in the sources. */
export const MANIFESTS: Readonly<Record<string, string>> = {
  "examples/canary/tenth.yaml": tenth,
  "examples/canary/half.yaml": half,
  "examples/policies/api-key.yaml": apiKey,
  "examples/policies/rate-limit.yaml": rateLimit,
  "examples/policies/canary.yaml": canary,
};
