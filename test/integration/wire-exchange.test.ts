import { wireExchanges } from "../conformance/wire-exchange.ts";
import { ONE_HOP, SHARED_HOPS, TWO_HOPS } from "../harness/path.ts";

wireExchanges(ONE_HOP);
wireExchanges(TWO_HOPS);
wireExchanges(SHARED_HOPS);
