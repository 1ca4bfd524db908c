import type { Address } from "../config/mod.ts";
import { type Door, openDoor } from "./door.ts";
import { AdminExposed, isLoopback, refusalOf } from "./guard.ts";
import { adminPages, healthPages, metricsPages } from "./page.ts";
import type { AdminSources } from "./source.ts";

export interface AdminOptions {
  /** Only what is given is opened. Port 0 lets the system choose. */
  readonly admin?: Address;
  readonly health?: Address;
  readonly metrics?: Address;
  /**
   * Lets the admin door listen where other machines reach it.
   * @default false
   */
  readonly allowRemote?: boolean;
  readonly sources: AdminSources;
}

/** The side doors of a process, open. */
export interface Admin {
  /** What was bound; null where nothing was asked for. */
  readonly addresses: {
    readonly admin: Address | null;
    readonly health: Address | null;
    readonly metrics: Address | null;
  };
  close(): Promise<void>;
}

/**
 * Opens the side doors, each on a listener of its own. All of them or none:
 * where one fails, those before it are closed again.
 *
 * @throws {AdminExposed} when the admin door would be reachable from elsewhere.
 * @throws {DoorUnavailable} when an address cannot be bound.
 */
export function startAdmin(options: AdminOptions): Admin {
  const { admin, health, metrics, sources, allowRemote = false } = options;
  if (admin !== undefined && !allowRemote && !isLoopback(admin.host)) throw new AdminExposed(admin);
  const doors: Door[] = [];
  const open = (...door: Parameters<typeof openDoor>): Address => {
    doors.push(openDoor(...door));
    return doors.at(-1)!.address;
  };
  const close = async (): Promise<void> => void (await Promise.all(doors.map((door) => door.close())));
  const refusal = (request: Request) => refusalOf(request, allowRemote);
  try {
    const addresses = {
      admin: admin ? open({ purpose: "admin", address: admin, pages: adminPages(sources), refusal }) : null,
      health: health ? open({ purpose: "health", address: health, pages: healthPages(sources) }) : null,
      metrics: metrics ? open({ purpose: "metrics", address: metrics, pages: metricsPages(sources) }) : null,
    };
    return { addresses, close };
  } catch (error) {
    void close();
    throw error;
  }
}
