import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';

/** A package as package-lock.json has it. */
interface Package {
  readonly version: string;
  readonly license?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly dev?: boolean;
  readonly link?: boolean;
  readonly hasInstallScript?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const LOCK = fileURLToPath(new URL('../../package-lock.json', import.meta.url));
const { packages } = JSON.parse(readFileSync(LOCK, 'utf8')) as { packages: Record<string, Package> };
const ALL = Object.entries(packages).filter(([path]) => path !== '');
/** What users of lb4 get. */
const SHIPPED = ALL.filter(([, one]) => one.dev !== true);

/** Licences that ask for no more than to be named. */
const LICENSES = new Set([
  'MIT',
  'ISC',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'Apache-2.0',
  '0BSD',
  'BlueOak-1.0.0',
]);
/** koffi's script builds from source where no binary fits; those that do come as optional packages. */
const SCRIPTS = ['node_modules/koffi'];
/** Whoever adds to them has read what comes along. */
const MOST_SHIPPED = 135;

t.test('what is shipped has a licence that lets anybody use it', async t => {
  const others = SHIPPED.filter(([, { license }]) => !LICENSES.has(license ?? ''));
  t.strictSame(
    others.map(([path, { license }]) => `${path}: ${license}`),
    [],
  );
});

t.test('nothing that is shipped needs to run a script when it is installed', async t => {
  const scripted = SHIPPED.filter(([, one]) => one.hasInstallScript === true).map(([path]) => path);
  t.strictSame(scripted, SCRIPTS);
  const binaries = Object.keys(packages['node_modules/koffi']!.optionalDependencies ?? {});
  for (const machine of ['linux-x64', 'linux-arm64']) {
    t.ok(
      binaries.some(name => name.endsWith(machine)),
      `a binary of koffi for ${machine}`,
    );
  }
});

t.test('what is shipped is known by the digest of its content, wherever it is had from', async t => {
  const without = SHIPPED.filter(([, { integrity = '' }]) => !integrity.startsWith('sha512-'));
  t.strictSame(
    without.map(([path]) => path),
    [],
  );
  const bound = ALL.filter(([, { resolved }]) => resolved !== undefined);
  t.strictSame(
    bound.map(([path, { resolved }]) => `${path}: ${resolved}`),
    [],
  );
});

t.test('there are no more of them than anybody can look through', async t => {
  t.ok(SHIPPED.length <= MOST_SHIPPED, `${SHIPPED.length} packages, with all that they depend on`);
});
