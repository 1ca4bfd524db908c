import { wireTunnels } from "../conformance/wire-tunnel.ts";
import { ONE_HOP, SHARED_HOPS, TWO_HOPS } from "../harness/path.ts";

wireTunnels(ONE_HOP);
wireTunnels(TWO_HOPS);
wireTunnels(SHARED_HOPS);
