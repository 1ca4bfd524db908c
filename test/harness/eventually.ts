/** How long a condition may take before the test says that it never came true. */
const PATIENCE_MS = 5_000;

/**
 * Waits for a condition: calls the probe until it neither throws nor returns
 * false, and returns what it returned. The error of the last try is the error.
 */
export async function eventually<T>(probe: () => T | Promise<T>, withinMs = PATIENCE_MS): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    try {
      const value = await probe();
      if (value !== false) return value;
      if (performance.now() > deadline) throw new Error(`Cannot wait any longer: still false after ${withinMs} ms`);
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await Bun.sleep(5);
  }
}

/** The value of a promise, or an error that names what did not come. */
export async function within<T>(what: string, promise: Promise<T>, ms = PATIENCE_MS): Promise<T> {
  let timer: Timer | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Cannot wait any longer for ${what}: ${ms} ms have passed`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
