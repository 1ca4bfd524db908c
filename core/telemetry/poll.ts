import { dlopen, ptr } from "bun:ffi";

const POLLOUT = 4;
/** struct pollfd: int fd, short events, short revents. */
const POLLFD_BYTES = 8;

/**
 * Asks the kernel with poll(2), without waiting, whether a descriptor takes
 * bytes. Setting O_NONBLOCK instead would change the descriptor for every
 * process that shares it, the app we supervise included.
 */
export function pollWritable(): (fd: number) => boolean {
  const libc = dlopen("libc.so.6", { poll: { args: ["ptr", "u64", "i32"], returns: "i32" } });
  // Over an ArrayBuffer of its own: the storage of a small typed array may move under the pointer.
  const pollfd = new DataView(new ArrayBuffer(POLLFD_BYTES));
  return (fd) => {
    pollfd.setInt32(0, fd, true);
    pollfd.setInt32(4, POLLOUT, true);
    return libc.symbols.poll(ptr(pollfd), 1, 0) === 1 && (pollfd.getInt16(6, true) & POLLOUT) !== 0;
  };
}
