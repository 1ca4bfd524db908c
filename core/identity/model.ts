/** An X.509-SVID with its key, as TLS wants it. The key never leaves the process that made it. */
export interface Svid {
  /** `spiffe://<trust domain>/ns/<namespace>/sa/<service account>` */
  readonly spiffeId: string;
  /** Leaf, then intermediates, PEM. */
  readonly certificate: string;
  /** PKCS #8, PEM. */
  readonly privateKey: string;
  /** The roots we believe, PEM, concatenated. */
  readonly bundle: string;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
}
