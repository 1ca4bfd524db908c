import { wireExchanges } from "../conformance/wire-exchange.ts";
import { ONE_HOP, TWO_HOPS } from "../harness/path.ts";

wireExchanges(ONE_HOP);
wireExchanges(TWO_HOPS);
