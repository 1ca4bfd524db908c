import { MeshError } from "../../base/mod.ts";
import { x509 } from "./x509.ts";

/** A request for a certificate that the authority will not sign. */
export class CsrRefused extends MeshError {
  override readonly name = "CsrRefused";
  readonly code = "MESH_CSR_REFUSED";
  readonly source = "downstream";

  constructor(spiffeId: string, problem: string, options?: ErrorOptions) {
    super(`Cannot certify "${spiffeId}": ${problem}`, options);
  }
}

// One of ours has about 500 bytes.
const MAX_CSR_BYTES = 16 * 1024;
const ID_SUBJECT_ALT_NAME = "2.5.29.17";

/**
 * Checks a PKCS #10 request and gives the key to certify.
 *
 * Nothing that the request asks for is granted; its one URI name must be the
 * SPIFFE ID that the caller was attested for, so that a workload with a wrong
 * idea of who it is learns of it here.
 *
 * @throws {CsrRefused} with the first thing that is wrong.
 */
export async function readRequest(csr: string, spiffeId: string): Promise<x509.PublicKey> {
  if (csr.length > MAX_CSR_BYTES) throw new CsrRefused(spiffeId, `the request has over ${MAX_CSR_BYTES} bytes`);
  const request = parse(csr, spiffeId);
  const algorithm = request.publicKey.algorithm as { readonly name: string; readonly namedCurve?: string };
  if (algorithm.name !== "ECDSA" || algorithm.namedCurve !== "P-256") {
    throw new CsrRefused(spiffeId, "the key is not on the curve P-256");
  }
  const uris = urisOf(request, spiffeId);
  if (uris.length !== 1) throw new CsrRefused(spiffeId, `the request names ${uris.length} URIs, not one`);
  if (uris[0] !== spiffeId) throw new CsrRefused(spiffeId, `the request is for "${uris[0]!.slice(0, 200)}"`);
  if (!(await isSigned(request))) throw new CsrRefused(spiffeId, "the request is not signed by its key");
  return request.publicKey;
}

function parse(csr: string, spiffeId: string): x509.Pkcs10CertificateRequest {
  try {
    return new x509.Pkcs10CertificateRequest(csr);
  } catch (cause) {
    throw new CsrRefused(spiffeId, "the request is not PKCS #10", { cause });
  }
}

function urisOf(request: x509.Pkcs10CertificateRequest, spiffeId: string): string[] {
  try {
    const extension = request.getExtension(ID_SUBJECT_ALT_NAME);
    if (extension === null) return [];
    const { names } = new x509.SubjectAlternativeNameExtension(extension.rawData);
    return names.items.filter((name) => name.type === "url").map((name) => name.value);
  } catch (cause) {
    throw new CsrRefused(spiffeId, "the names of the request cannot be read", { cause });
  }
}

async function isSigned(request: x509.Pkcs10CertificateRequest): Promise<boolean> {
  try {
    return await request.verify();
  } catch {
    return false;
  }
}
