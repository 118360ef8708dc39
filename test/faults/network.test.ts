import { inOwnNetwork } from '../fixtures/own-network.js';

await inOwnNetwork(new URL('./network.js', import.meta.url));
