import { DEFAULT_WINDOW, ErrorCode, FRAME_BYTES, MAX_WINDOW, Setting } from "./frame.ts";
import type { Violation } from "./frame-rules.ts";

const ILLEGAL: Readonly<Record<number, Violation>> = Object.freeze({
  [Setting.EnablePush]: protocolError("SETTINGS_ENABLE_PUSH is neither 0 nor 1"),
  [Setting.InitialWindowSize]: {
    code: ErrorCode.FlowControlError,
    problem: "SETTINGS_INITIAL_WINDOW_SIZE out of range",
  },
  [Setting.MaxFrameSize]: protocolError("SETTINGS_MAX_FRAME_SIZE out of range"),
  [Setting.EnableConnectProtocol]: protocolError("SETTINGS_ENABLE_CONNECT_PROTOCOL is neither 0 nor 1"),
});

function protocolError(problem: string): Violation {
  return { code: ErrorCode.ProtocolError, problem };
}

/** What the peer has said of itself (RFC 9113, section 6.5.2). */
export class PeerSettings {
  /** Window that it gives each new stream. */
  initialWindow = DEFAULT_WINDOW;
  maxStreams = Number.POSITIVE_INFINITY;
  /** It knows extended CONNECT (RFC 8441). */
  takesConnect = false;

  /** Takes one setting over; why it cannot, or null. Who needs to act on one looks at it itself. */
  set(setting: number, value: number): Violation | null {
    if (!isLegal(setting, value)) return ILLEGAL[setting]!;
    if (setting === Setting.MaxConcurrentStreams) this.maxStreams = value;
    else if (setting === Setting.InitialWindowSize) this.initialWindow = value;
    else if (setting === Setting.EnableConnectProtocol) this.takesConnect = value === 1;
    return null;
  }
}

function isLegal(setting: number, value: number): boolean {
  switch (setting) {
    case Setting.EnablePush:
    case Setting.EnableConnectProtocol:
      return value <= 1;
    case Setting.InitialWindowSize:
      return value <= MAX_WINDOW;
    case Setting.MaxFrameSize:
      return value >= FRAME_BYTES && value <= 0xffffff;
    default:
      return true;
  }
}
