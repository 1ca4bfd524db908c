import { wirePressure } from "../conformance/wire-pressure.ts";
import { ONE_HOP, TWO_HOPS } from "../harness/path.ts";

wirePressure(ONE_HOP);
wirePressure(TWO_HOPS);
