import type { Command } from '../command.js';
import { CONNECTIONS } from './connections.js';
import { ADD, REMOVE } from './members.js';
import { CLOSE, REBALANCE } from './move.js';
import { RELOAD } from './reload.js';
import { DRAIN, MAINT, READY } from './state.js';
import { STATUS } from './status.js';
import { UPGRADE } from './upgrade.js';
import { WEIGHT } from './weight.js';

/** Commands that operate a running instance over its admin interface, in the order that help shows. */
export const OPERATING: readonly Command[] = [
  STATUS,
  CONNECTIONS,
  DRAIN,
  READY,
  MAINT,
  WEIGHT,
  ADD,
  REMOVE,
  CLOSE,
  REBALANCE,
  RELOAD,
  UPGRADE,
];
