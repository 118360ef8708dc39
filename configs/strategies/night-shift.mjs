// A strategy of one's own: at night only the first `keep` backends work, by day all of them take turns.
//   strategy = { kind = "./strategies/night-shift.mjs", from = 22, to = 6, keep = 1 }
/** @type {import('lb4/strategy').StrategyFactory} */
export default ({ options: { from = 22, to = 6, keep = 1 } }) => {
  let all = [];
  let turn = 0;
  const isNight = hour => (from <= to ? hour >= from && hour < to : hour >= from || hour < to);
  return {
    rebuild: candidates => {
      all = candidates;
    },
    pick: (_flow, accept) => {
      const staff = isNight(new Date().getHours()) ? Math.min(keep, all.length) : all.length;
      for (let i = 0; i < staff; i++) {
        const candidate = all[turn++ % staff];
        if (accept(candidate)) return candidate;
      }
      return all.find(accept); // everybody on duty is full: wake somebody up
    },
  };
};
