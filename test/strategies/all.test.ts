import t from 'tap';
import { STRATEGY_NAMES, type StrategyName } from '../../strategies/index.js';
import { suite, type Traits } from './suite.js';

const TRAITS: Record<StrategyName, Traits> = {
  'round-robin': { weights: 'ignored', everybody: true, position: true },
  'weighted-round-robin': { weights: 'idle', everybody: true, position: true },
  'least-connections': { weights: 'loaded', everybody: true, position: true },
  'least-response-time': { weights: 'loaded', everybody: true, position: true },
  'ip-hash': { weights: 'idle', everybody: true, position: false, affinity: { collateral: 0 } },
  random: { weights: 'idle', everybody: true, position: false },
  'two-choices': { weights: 'idle', everybody: true, position: false },
  // Maglev trades a little of this for an even spread: section 5.3 of the paper.
  maglev: { weights: 'idle', everybody: true, position: false, affinity: { collateral: 0.05 } },
  first: { weights: 'ignored', everybody: false, position: false },
};

for (const name of STRATEGY_NAMES) {
  t.test(name, async t => suite(t, name, TRAITS[name]));
}
t.test('ip-hash with a load_factor', async t => {
  // Idle backends have one place each: a second connection goes elsewhere, so counters stay at 0 here.
  suite(t, 'ip-hash', TRAITS['ip-hash'], { load_factor: 1.25 });
});
