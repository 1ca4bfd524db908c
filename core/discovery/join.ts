import { type Clock, MeshError } from "../base/mod.ts";
import { Conversation, type ConversationOptions } from "./conversation.ts";
import type { ControlAddress, DialOptions } from "./dial.ts";
import { sha256Hex } from "./disk.ts";
import { readJson } from "./link.ts";
import {
  type BundleMessage,
  Frame,
  type JoinMessage,
  MAX_GREETING_ANSWER_BYTES,
  type SvidMessage,
} from "./protocol.ts";
import type { JoinToken } from "./token.ts";

/** The control plane that answers is not the one the token was made by. */
export class WrongControl extends MeshError {
  override readonly name = "WrongControl";
  readonly code = "MESH_WRONG_CONTROL";
  readonly source = "mesh";
}

export interface JoinOptions {
  readonly address: ControlAddress;
  readonly clock: Clock;
  readonly software: string;
  readonly connectMs: number;
  readonly answerMs: number;
  /** Whether a handshake that believed the token's root proved the control plane of its trust domain. */
  readonly check: DialOptions["check"];
  /** TLS options of a client without a certificate; `null`: any root will do for now. */
  readonly tls: (root: string | null) => object;
}

/**
 * Turns a token and a request into a first SVID. The first connection believes
 * nobody and brings only the roots; the one with the token's fingerprint, and
 * no other, then verifies the second, which carries the secret.
 *
 * @throws {WrongControl} when the token was made by another mesh.
 */
export async function join(token: JoinToken, csr: string, options: JoinOptions): Promise<SvidMessage> {
  const root = await pinnedRoot(token, options);
  const message: JoinMessage = { tokenId: token.id, secret: token.secret, csr };
  return await askOnce<SvidMessage>(options, root, Frame.Join, message, Frame.Svid);
}

async function pinnedRoot(token: JoinToken, options: JoinOptions): Promise<string> {
  const { bundle } = await askOnce<BundleMessage>(options, null, Frame.GetBundle, {}, Frame.Bundle);
  const root = certificatesOf(String(bundle)).find((pem) => fingerprint(pem) === token.root);
  if (root !== undefined) return root;
  throw new WrongControl(
    "Cannot join: the control plane does not have the root that the join token names; is the token of another mesh?",
  );
}

/** One connection for one question. */
async function askOnce<T extends object>(
  options: JoinOptions,
  root: string | null,
  type: Frame,
  message: object,
  answer: Frame,
): Promise<T> {
  const { address, clock, software, answerMs, connectMs } = options;
  const check = root === null ? () => null : options.check;
  const dialing: ConversationOptions = {
    ...{ address, clock, software, answerMs, check },
    ...{ tls: options.tls(root), deadlineMs: connectMs, limit: MAX_GREETING_ANSWER_BYTES },
  };
  const conversation = await Conversation.open(dialing);
  try {
    return readJson<T>(await conversation.ask(type, message, answer));
  } finally {
    conversation.close();
  }
}

/** The certificates of a PEM text, each as PEM with a line end. */
export function certificatesOf(pem: string): string[] {
  return (pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map((text) => `${text}\n`);
}

/** SHA-256 of a certificate's DER, hex. */
export function fingerprint(pem: string): string {
  return sha256Hex(Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ""), "base64"));
}
