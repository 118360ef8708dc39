import { readFileSync } from 'node:fs';
import t from 'tap';
import { freePort } from './fixtures/backends.js';

t.test(
  'a port that was asked for is not given twice, nor by the kernel to anyone who takes what there is',
  async t => {
    const ports = await Promise.all(Array.from({ length: 90 }, () => freePort()));
    t.equal(new Set(ports).size, ports.length);
    const [first] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s+/).map(Number);
    t.ok(Math.max(...ports) < (first ?? 0), `${Math.max(...ports)} lies below ${first}`);
  },
);
