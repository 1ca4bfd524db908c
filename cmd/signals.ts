/** Numbers of the signals that end a process politely. */
const NUMBERS = { SIGTERM: 15, SIGINT: 2 } as const;
type Signal = keyof typeof NUMBERS;

/**
 * Resolves at the first SIGTERM or SIGINT: time to finish what is begun. A
 * second one does not wait for that, and ends the process as the kernel would.
 */
export function firstSignal(): Promise<Signal> {
  return new Promise((resolve) => {
    let asked = false;
    for (const signal of Object.keys(NUMBERS) as Signal[])
      process.on(signal, () => {
        if (asked) process.exit(128 + NUMBERS[signal]);
        asked = true;
        resolve(signal);
      });
  });
}
