import { close, F_DUPFD_CLOEXEC, fcntl, openWake } from './libc.js';

/** Room for about 30,000 connections; takes half a megabyte of the kernel's memory. */
const WANTED = 65_536;
/** What every process gets by itself is not much less. */
const LEAST = 512;

/**
 * Make the process's descriptor table large at once, as far as its limit allows. The kernel would double it whenever it is
 * full, and while several threads run each growth waits until all processors have passed a quiescent state: every
 * connection stands still for 8 to 20 ms.
 */
export function growDescriptorTable(): void {
  const fd = openWake();
  for (let size = WANTED; size >= LEAST; size /= 2) {
    const last = fcntl(fd, F_DUPFD_CLOEXEC, size - 1);
    if (last < 0) continue;
    close(last);
    break;
  }
  close(fd);
}
