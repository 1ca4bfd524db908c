import { Differs } from "./compare.ts";

/** Of many tries at once, how far a share may be from what was asked for; the suite's own bound. */
const TOLERANCE = 0.05;
const AT_ONCE = 16;

/** Runs a probe so many times, and checks which share each backend had; pods count for the backend they begin with. */
export async function judgeShares(
  shares: Readonly<Record<string, number>>,
  times: number,
  probe: () => Promise<string>,
): Promise<void> {
  const found = new Map<string, number>();
  for (let done = 0; done < times; done += AT_ONCE) {
    const pods = await Promise.all(Array.from({ length: Math.min(AT_ONCE, times - done) }, probe));
    for (const pod of pods) {
      const backend = Object.keys(shares).find((name) => pod.startsWith(name)) ?? pod;
      found.set(backend, (found.get(backend) ?? 0) + 1);
    }
  }
  for (const [backend, share] of Object.entries(shares)) judge(backend, share / 100, (found.get(backend) ?? 0) / times);
  const strangers = [...found.keys()].filter((backend) => !(backend in shares));
  if (strangers.length > 0) throw new Differs("backends", Object.keys(shares), strangers);
}

function judge(backend: string, wanted: number, found: number): void {
  const exact = wanted === 0 || wanted === 1;
  if (Math.abs(wanted - found) > (exact ? 0 : TOLERANCE)) throw new Differs(`share of ${backend}`, wanted, found);
}
