import { hasTun, inOwnNetwork, skipped } from '../fixtures/own-network.js';

if (hasTun) await inOwnNetwork(new URL('./link.js', import.meta.url));
else skipped('a link with bad weather', 'NO /dev/net/tun here');
