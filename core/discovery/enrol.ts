import { type Clock, MeshError, messageOf } from "../base/mod.ts";
import {
  anonymousTls,
  clientTls,
  controlId,
  type SignedCertificate,
  type Svid,
  verifyServer,
} from "../identity/mod.ts";
import { Conversation } from "./conversation.ts";
import { type ControlAddress, type DialOptions, formatAddress } from "./dial.ts";
import { join, WrongControl } from "./join.ts";
import { PeerFailure, readJson } from "./link.ts";
import { CONTROL_ALPN, Frame, MAX_GREETING_ANSWER_BYTES, type RenewMessage, type SvidMessage } from "./protocol.ts";
import type { JoinToken } from "./token.ts";

/** The control plane is there and will not have us: trying again changes nothing. */
export class JoinRefused extends MeshError {
  override readonly name = "JoinRefused";
  readonly code = "MESH_JOIN_REFUSED";
  readonly source = "mesh";
}

/** Name that TLS is given for the control plane; it is known by its SPIFFE ID, whatever it is called. */
const SERVER_NAME = "control.mesh";

export interface EnrolOptions {
  readonly addresses: readonly ControlAddress[];
  readonly trustDomain: string;
  /** Null for a proxy that lives on the identity it has kept. */
  readonly token: JoinToken | null;
  readonly clock: Clock;
  readonly software: string;
  readonly connectMs: number;
  readonly answerMs: number;
}

/**
 * Gets certificates outside of the stream: with the last SVID where there is
 * one, else with the token. An SVID that has expired is still tried, because
 * the control plane may take it for a while: a machine that slept must not
 * need a new token.
 */
export class Enrol {
  readonly #options: EnrolOptions;

  constructor(options: EnrolOptions) {
    this.#options = options;
  }

  /** Judges the control plane at the other end of a handshake. */
  readonly check: DialOptions["check"] = (error, socket) => {
    const { trustDomain } = this.#options;
    const expected = controlId(trustDomain);
    const problem = verifyServer(error, socket, expected, { trustDomain, trustDomainAliases: [] });
    return problem === null ? null : `it did not prove to be the control plane of ${trustDomain}: ${problem}`;
  };

  tls(svid: Svid): object {
    return clientTls(svid, [CONTROL_ALPN], SERVER_NAME);
  }

  /**
   * @throws {JoinRefused} when the control plane refused for good.
   * @throws {ControlUnreachable | NoAnswer | LinkLost} when no control plane could be asked.
   */
  async request(csr: string, svid: Svid | null): Promise<SignedCertificate> {
    let last: unknown = null;
    for (const address of this.#options.addresses) {
      try {
        return await this.#requestAt(address, csr, svid);
      } catch (error) {
        if (error instanceof JoinRefused) throw error;
        last = error;
      }
    }
    throw last;
  }

  async #requestAt(address: ControlAddress, csr: string, svid: Svid | null): Promise<SignedCertificate> {
    const { token } = this.#options;
    try {
      if (svid === null) return await this.#join(address, csr);
      return await this.#renew(address, csr, svid);
    } catch (error) {
      if (!(error instanceof PeerFailure) && !(error instanceof WrongControl)) throw error;
      if (svid !== null && token !== null)
        return await this.#join(address, csr).catch((second) => this.#refuse(address, second));
      return this.#refuse(address, error);
    }
  }

  #refuse(address: ControlAddress, error: unknown): never {
    const forGood = error instanceof WrongControl || (error instanceof PeerFailure && isForGood(error));
    if (!forGood) throw error;
    throw new JoinRefused(`${messageOf(error)} (control plane ${formatAddress(address)})`, { cause: error });
  }

  async #join(address: ControlAddress, csr: string): Promise<SignedCertificate> {
    const { token, clock, software, connectMs, answerMs } = this.#options;
    if (token === null)
      throw new JoinRefused('Cannot join: there is no join token; make one with "mesh token create" and pass it along');
    const tls = (root: string | null): object => anonymousTls(root, [CONTROL_ALPN], SERVER_NAME);
    return await join(token, csr, { address, clock, software, connectMs, answerMs, check: this.check, tls });
  }

  async #renew(address: ControlAddress, csr: string, svid: Svid): Promise<SignedCertificate> {
    const { clock, software, connectMs, answerMs } = this.#options;
    const conversation = await Conversation.open({
      ...{ address, clock, software, answerMs, check: this.check, tls: this.tls(svid) },
      ...{ deadlineMs: connectMs, limit: MAX_GREETING_ANSWER_BYTES },
    });
    try {
      const message: RenewMessage = { id: 1, csr };
      return readJson<SvidMessage>(await conversation.ask(Frame.Renew, message, Frame.Svid));
    } finally {
      conversation.close();
    }
  }
}

function isForGood({ failure }: PeerFailure): boolean {
  return failure === "token" || failure === "identity" || failure === "protocol";
}
