/** Where a failed assertion ends: the call traps, and the mesh counts a fault. `asc --use abort=…` names this. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  unreachable();
}
