/**
 * The wire: heads, bodies, the HTTP/1 codec, and the exchange they make.
 * @module
 */
export { BodyReader, Trailers } from "./body.ts";
export {
  type ClientStream,
  Exchange,
  type RequestHandler,
  type ResponseHandler,
  type ServerStream,
  type Target,
  UpstreamFailure,
} from "./exchange.ts";
export { Field, fieldNamed } from "./field.ts";
export { ClientConnection, type ClientSettings, type ConnectionKeeper } from "./h1-client.ts";
export { ServerConnection, type ServerSettings } from "./h1-server.ts";
export { ClientMux, type Http2ClientSettings, type MuxKeeper } from "./h2/client.ts";
export { ABUSES, type Abuse } from "./h2/guard.ts";
export { Http2Kit } from "./h2/kit.ts";
export { type Http2ServerSettings, ServerMux } from "./h2/server.ts";
export { CHUNKED, Fields, MAX_FIELDS, METHOD_NAMES, Method, RequestHead, ResponseHead, UNTIL_CLOSE } from "./head.ts";
export {
  DEFAULT_HEAD_LIMITS,
  type HeadLimits,
  INCOMPLETE,
  isToken,
  parseRequestHead,
  parseResponseHead,
  REFUSED,
  TOO_LARGE,
  UNSUPPORTED,
} from "./parse.ts";
export { Sender, Stage } from "./sender.ts";
export { BothEdits, type Edits, type Lines, REASONS } from "./serialize.ts";
