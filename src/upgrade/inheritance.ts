/** The descriptors that a child process is born with, under the numbers that they have there. */
export class Inheritance {
  /** As child_process wants it: the parent's own three, the IPC channel, then what is added. */
  readonly stdio: (number | 'inherit' | 'ipc')[] = ['inherit', 'inherit', 'inherit', 'ipc'];
  private readonly places = new Map<number, number>();

  /** Pass a descriptor on; its number in the child. One that was added already keeps its place. */
  add(fd: number): number {
    let place = this.places.get(fd);
    if (place === undefined) {
      place = this.stdio.push(fd) - 1;
      this.places.set(fd, place);
    }
    return place;
  }
}
