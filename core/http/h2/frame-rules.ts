import { ErrorCode, FRAME_BYTES, FrameType } from "./frame.ts";

/** What ends a connection. */
export interface Violation {
  readonly code: ErrorCode;
  readonly problem: string;
}

const NAMES = "DATA HEADERS PRIORITY RST_STREAM SETTINGS PUSH_PROMISE PING GOAWAY WINDOW_UPDATE CONTINUATION".split(
  " ",
);

const TOO_LARGE = violation(ErrorCode.FrameSizeError, "frame larger than SETTINGS_MAX_FRAME_SIZE");
const PUSHED = violation(ErrorCode.ProtocolError, "PUSH_PROMISE that nobody allowed");
const ELSEWHERE = NAMES.map((name) => violation(ErrorCode.ProtocolError, `${name} on a stream that it cannot be on`));
const SIZED = NAMES.map((name) => violation(ErrorCode.FrameSizeError, `${name} of a size that it cannot have`));

function violation(code: ErrorCode, problem: string): Violation {
  return Object.freeze({ code, problem });
}

/** Looks at a frame's header alone: why the connection must end over it, or null (RFC 9113, section 6). */
export function violates(type: number, acknowledges: boolean, stream: number, length: number): Violation | null {
  if (length > FRAME_BYTES) return TOO_LARGE;
  const ofStream = stream !== 0;
  switch (type) {
    case FrameType.Data:
    case FrameType.Headers:
    case FrameType.Continuation:
    // One of a wrong size is an error of its stream only.
    case FrameType.Priority:
      return ofStream ? null : ELSEWHERE[type]!;
    case FrameType.RstStream:
      return ofStream ? sized(type, length === 4) : ELSEWHERE[type]!;
    case FrameType.Settings:
      return ofStream ? ELSEWHERE[type]! : sized(type, acknowledges ? length === 0 : length % 6 === 0);
    case FrameType.PushPromise:
      return PUSHED;
    case FrameType.Ping:
      return ofStream ? ELSEWHERE[type]! : sized(type, length === 8);
    case FrameType.GoAway:
      return ofStream ? ELSEWHERE[type]! : sized(type, length >= 8);
    case FrameType.WindowUpdate:
      return sized(type, length === 4);
    default:
      return null;
  }
}

function sized(type: number, fits: boolean): Violation | null {
  return fits ? null : SIZED[type]!;
}
