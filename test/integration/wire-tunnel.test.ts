import { wireTunnels } from "../conformance/wire-tunnel.ts";
import { ONE_HOP, TWO_HOPS } from "../harness/path.ts";

wireTunnels(ONE_HOP);
wireTunnels(TWO_HOPS);
