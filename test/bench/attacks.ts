/** What a client can do to a proxy at little cost to itself. */
export const ATTACKS = [
  "rapid resets",
  "unread windows",
  "empty DATA",
  "PING",
  "SETTINGS",
  "empty CONTINUATION",
] as const;
export type Attack = (typeof ATTACKS)[number];

export const RESETS = 20_000;
export const FRAMES = 200_000;
/** Streams that ask for 16 MB each and never open their windows, and for how long they stay. */
export const STREAMS_HELD = 100;
export const HELD_MS = 3_000;
