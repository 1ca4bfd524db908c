import { type Admin, type AdminSources, startAdmin } from "../admin/mod.ts";
import type { Log } from "../base/mod.ts";
import { formatAddress } from "../config/mod.ts";
import type { Door, ProxyOptions } from "./proxy.ts";

/** The side doors of a proxy that are open. */
export interface OpenDoors {
  readonly addresses: Admin["addresses"];
  close(): Promise<void>;
}

/**
 * Opens the side doors. One whose usual port is taken, by another proxy on the
 * same host, takes a free one; an address that somebody chose is an error then.
 */
export async function openDoors(doors: ProxyOptions["doors"], sources: AdminSources, log: Log): Promise<OpenDoors> {
  const opened: Admin[] = [];
  const close = async (): Promise<void> => void (await Promise.all(opened.map((admin) => admin.close())));
  const open = (kind: "admin" | "health" | "metrics"): Admin["addresses"]["admin"] => {
    const door = doors[kind];
    if (door === null) return null;
    const admin = openOne(kind, door, sources, log);
    opened.push(admin);
    return admin.addresses[kind];
  };
  try {
    return { addresses: { admin: open("admin"), health: open("health"), metrics: open("metrics") }, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function openOne(kind: "admin" | "health" | "metrics", door: Door, sources: AdminSources, log: Log): Admin {
  try {
    return startAdmin({ [kind]: door.address, sources });
  } catch (error) {
    if (!door.free) throw error;
    log.debug("the usual port is taken, a free one is used", { door: kind, address: formatAddress(door.address) });
    return startAdmin({ [kind]: { ...door.address, port: 0 }, sources });
  }
}
