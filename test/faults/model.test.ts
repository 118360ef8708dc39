import fc from 'fast-check';
import t from 'tap';
import { LONG } from '../fixtures/lab.js';
import { until } from '../fixtures/until.js';
import {
  BACKENDS,
  Model,
  type ModelConnection,
  type Model as ModelType,
  NAME_LENGTH,
  Real,
  reasonOf,
  STRATEGIES,
} from './model.js';

const RUNS = LONG ? 400 : 25;
const COMMANDS = LONG ? 60 : 30;

type Command = fc.AsyncCommand<ModelType, Real>;

/** A command for one of the open connections, where there is one that fits. */
abstract class OnConnection implements Command {
  private readonly index: number;

  constructor(index: number) {
    this.index = index;
  }

  abstract fits(connection: ModelConnection): boolean;
  abstract act(connection: ModelConnection, real: Real): Promise<void>;

  check(model: ModelType): boolean {
    return this.find(model) !== undefined;
  }

  async run(model: ModelType, real: Real): Promise<void> {
    await this.act(this.find(model)!, real);
    await real.agrees(model);
  }

  toString(): string {
    return `${this.constructor.name}(${this.index})`;
  }

  private find(model: ModelType): ModelConnection | undefined {
    const fitting = model.open.filter(one => this.fits(one));
    return fitting[this.index % fitting.length];
  }
}

class Open implements Command {
  check(): boolean {
    return true;
  }

  async run(model: ModelType, real: Real): Promise<void> {
    const { usable } = model;
    const { from, backend } = await real.open();
    const fits = usable.filter(i => model.backends[i]!.isUp);
    if (backend === undefined ? fits.length > 0 : !fits.includes(backend)) {
      throw new Error(`served by ${backend}, expected one of [${fits}]`);
    }
    const failure = usable.length === 0 ? 'no_backend' : 'connect_failed';
    model.connections.push({
      from,
      backend,
      bytesIn: backend === undefined ? 0 : NAME_LENGTH,
      bytesOut: 0,
      clientFin: false,
      backendFin: false,
      reason: backend === undefined ? failure : undefined,
    });
    await real.agrees(model);
  }

  toString(): string {
    return 'Open';
  }
}

class ClientSends extends OnConnection {
  private readonly bytes: number;

  constructor(index: number, bytes: number) {
    super(index);
    this.bytes = bytes;
  }

  fits({ clientFin }: ModelConnection): boolean {
    return !clientFin;
  }

  async act(connection: ModelConnection, real: Real): Promise<void> {
    const { near, far } = real.ends.get(connection.from)!;
    near.socket.write(Buffer.alloc(this.bytes, 'c'));
    connection.bytesIn += this.bytes;
    await far!.reads(connection.bytesIn);
  }
}

class BackendSends extends OnConnection {
  private readonly bytes: number;

  constructor(index: number, bytes: number) {
    super(index);
    this.bytes = bytes;
  }

  fits({ backendFin }: ModelConnection): boolean {
    return !backendFin;
  }

  async act(connection: ModelConnection, real: Real): Promise<void> {
    const { near, far } = real.ends.get(connection.from)!;
    far!.socket.write(Buffer.alloc(this.bytes, 'b'));
    connection.bytesOut += this.bytes;
    await near.reads(connection.bytesOut);
  }
}

class ClientCloses extends OnConnection {
  fits({ clientFin }: ModelConnection): boolean {
    return !clientFin;
  }

  async act(connection: ModelConnection, real: Real): Promise<void> {
    const { near, far } = real.ends.get(connection.from)!;
    near.finish();
    await until('the backend hears the end', () => far!.ending === 'FIN');
    if (connection.backendFin) connection.reason = 'backend_closed';
    connection.clientFin = true;
  }
}

class BackendCloses extends OnConnection {
  fits({ backendFin }: ModelConnection): boolean {
    return !backendFin;
  }

  async act(connection: ModelConnection, real: Real): Promise<void> {
    const { near, far } = real.ends.get(connection.from)!;
    far!.finish();
    await until('the client hears the end', () => near.ending === 'FIN');
    if (connection.clientFin) connection.reason = 'client_closed';
    connection.backendFin = true;
  }
}

class ClientResets extends OnConnection {
  fits({ clientFin, backendFin }: ModelConnection): boolean {
    return !clientFin && !backendFin;
  }

  async act(connection: ModelConnection, real: Real): Promise<void> {
    const { near, far } = real.ends.get(connection.from)!;
    near.reset();
    await until('the backend hears of it', () => far!.ending === 'RST');
    connection.reason = reasonOf(connection, 'client_reset');
  }
}

class BackendResets extends OnConnection {
  fits({ backendFin, clientFin }: ModelConnection): boolean {
    return !backendFin && !clientFin;
  }

  async act(connection: ModelConnection, real: Real): Promise<void> {
    const { near, far } = real.ends.get(connection.from)!;
    far!.reset();
    await until('the client hears of it', () => near.ending === 'RST');
    connection.reason = reasonOf(connection, 'backend_reset');
  }
}

/** A command for a backend. */
class OnBackend implements Command {
  private readonly name: string;
  private readonly index: number;
  private readonly fits: (model: ModelType, index: number) => boolean;
  private readonly act: (model: ModelType, real: Real, index: number) => Promise<void> | void;

  constructor(
    name: string,
    index: number,
    fits: (model: ModelType, index: number) => boolean,
    act: (model: ModelType, real: Real, index: number) => Promise<void> | void,
  ) {
    this.name = name;
    this.index = index;
    this.fits = fits;
    this.act = act;
  }

  check(model: ModelType): boolean {
    return this.fits(model, this.index);
  }

  async run(model: ModelType, real: Real): Promise<void> {
    await this.act(model, real, this.index);
    await real.agrees(model);
  }

  toString(): string {
    return `${this.name}(${this.index})`;
  }
}

const backend = fc.nat(BACKENDS - 1);
const which = fc.nat(20);
const bytes = fc.oneof(fc.integer({ min: 1, max: 2_000 }), fc.integer({ min: 60_000, max: 400_000 }));

const goesDown = (index: number) =>
  new OnBackend(
    'GoesDown',
    index,
    (model, i) => model.backends[i]!.isUp,
    (model, real, i) => {
      real.puppets[i]!.down();
      model.backends[i]!.isUp = false;
    },
  );

const comesUp = (index: number) =>
  new OnBackend(
    'ComesUp',
    index,
    (model, i) => !model.backends[i]!.isUp,
    async (model, real, i) => {
      await real.puppets[i]!.up();
      model.backends[i]!.isUp = true;
    },
  );

const setState = (index: number, state: 'ready' | 'drain' | 'maint') =>
  new OnBackend(
    `SetState ${state}`,
    index,
    (model, i) => model.backends[i]!.isConfigured,
    (model, real, i) => {
      real.lb.balancer.setState('main', real.id(i), state);
      model.backends[i]!.state = state;
    },
  );

const setWeight = (index: number, weight: number) =>
  new OnBackend(
    `SetWeight ${weight}`,
    index,
    (model, i) => model.backends[i]!.isConfigured,
    (_, real, i) => real.lb.balancer.setWeight('main', real.id(i), weight),
  );

const reload = (index: number, isConfigured: boolean) =>
  new OnBackend(
    isConfigured ? 'ReloadWith' : 'ReloadWithout',
    index,
    // What was changed while running is tested elsewhere; and one must be left.
    (model, i) =>
      model.backends[i]!.isConfigured !== isConfigured &&
      model.backends[i]!.state === 'ready' &&
      (isConfigured || model.backends.filter(one => one.isConfigured).length > 1),
    async (model, real, i) => {
      model.backends[i]!.isConfigured = isConfigured;
      await real.apply(model);
    },
  );

class ReloadStrategy implements Command {
  private readonly strategy: (typeof STRATEGIES)[number];

  constructor(strategy: (typeof STRATEGIES)[number]) {
    this.strategy = strategy;
  }

  check(): boolean {
    return true;
  }

  async run(model: ModelType, real: Real): Promise<void> {
    model.strategy = this.strategy;
    await real.apply(model);
    await real.agrees(model);
  }

  toString(): string {
    return `ReloadStrategy(${this.strategy})`;
  }
}

const COMMAND: fc.Arbitrary<Command>[] = [
  fc.constant(new Open()),
  fc.constant(new Open()),
  fc.tuple(which, bytes).map(([i, n]) => new ClientSends(i, n)),
  fc.tuple(which, bytes).map(([i, n]) => new BackendSends(i, n)),
  which.map(i => new ClientCloses(i)),
  which.map(i => new BackendCloses(i)),
  which.map(i => new ClientResets(i)),
  which.map(i => new BackendResets(i)),
  backend.map(goesDown),
  backend.map(comesUp),
  fc.tuple(backend, fc.constantFrom('ready', 'drain', 'maint')).map(([i, state]) => setState(i, state)),
  fc.tuple(backend, fc.integer({ min: 1, max: 9 })).map(([i, weight]) => setWeight(i, weight)),
  fc.tuple(backend, fc.boolean()).map(([i, isConfigured]) => reload(i, isConfigured)),
  fc.constantFrom(...STRATEGIES).map(strategy => new ReloadStrategy(strategy)),
];

t.test(`${RUNS} random histories end as a model of them says`, { timeout: 600_000 }, async t => {
  const real = await Real.start(t);
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  t.comment(`SEED=${seed}`);
  await fc.assert(
    fc.asyncProperty(fc.commands(COMMAND, { maxCommands: COMMANDS, size: 'max' }), async commands => {
      const model = new Model();
      try {
        await fc.asyncModelRun(() => ({ model, real }), commands);
      } finally {
        await real.finish(model);
      }
    }),
    { numRuns: RUNS, seed, endOnFailure: false },
  );
  await real.audit();
});
