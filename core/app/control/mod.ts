/**
 * Builds a control plane with its side doors. A door of its own: a proxy loads
 * none of it.
 * @module
 */
export { ConfigUnreadable, type ControlPlane, type ControlPlaneOptions, startControlPlane } from "./control.ts";
