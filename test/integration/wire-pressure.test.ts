import { wirePressure } from "../conformance/wire-pressure.ts";
import { ONE_HOP, SHARED_HOPS, TWO_HOPS } from "../harness/path.ts";

wirePressure(ONE_HOP);
wirePressure(TWO_HOPS);
wirePressure(SHARED_HOPS);
