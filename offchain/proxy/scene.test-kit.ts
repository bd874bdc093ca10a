import type { WorkerContract } from '../chain/contracts';
import { until } from '../core/until.test-kit';
import type { Connection } from '../transport/exchange';
import { TestCaller } from './caller.test-kit';
import { type RunningProxy, World } from './running-proxy.test-kit';
import { TestWorker } from './worker.test-kit';

// A proxy with a client that is connected and a worker that has not dialled yet: where a test of the proxy begins.

export class Scene {
  private constructor(
    readonly world: World,
    readonly caller: TestCaller,
    public worker: TestWorker,
    public proxy: RunningProxy,
    public connection: Connection,
  ) {}

  /** @param config the proxy's, where it is not the default */
  static async open(config: Readonly<Record<string, unknown>> = {}): Promise<Scene> {
    const world = await World.make();
    const caller = new TestCaller(world);
    caller.hold();
    const proxy = await world.start(config);
    return new Scene(world, caller, new TestWorker(world.guest), proxy, await proxy.connect());
  }

  /** Puts another proxy in the place of the one that runs, on the same ledger. */
  async restart(...settings: Parameters<World['start']>): Promise<void> {
    await this.proxy.stop();
    this.proxy = await this.world.start(...settings);
    this.connection = await this.proxy.connect();
  }

  /** Nothing may have failed inside the proxy by then. */
  async end(): Promise<void> {
    await this.world.end();
    expect(this.proxy.failures).toEqual([]);
  }

  /** By which the worker is paid. */
  get contract(): WorkerContract {
    return this.world.workerContract(this.worker.owner);
  }

  /** What the worker has earned so far, in nanoTON. */
  owed(): bigint {
    return this.proxy.debts.get(this.contract.address.toRawString()).total;
  }

  /** What the client has left unpaid. */
  standing(): ReturnType<RunningProxy['requests']['standing']> {
    return this.proxy.requests.standing(this.caller.id);
  }

  /** Has the worker dial, and waits until its guest may be used. */
  attach(): Promise<void> {
    return this.proxy.attach(this.worker);
  }

  /** Waits until the proxy has no worker. */
  dropped(): Promise<void> {
    return until(() => this.proxy.workers.size === 0);
  }

  /** Waits for a round that is over for this worker: another has begun. */
  async round(of = this.worker): Promise<void> {
    for (let rounds = 0; rounds < 2; rounds++) {
      const before = of.countOf('GET /v1/worker');
      await this.refreshedUntil(() => of.countOf('GET /v1/worker') > before);
    }
  }

  /** Begins round after round until it is so. */
  refreshedUntil(isSo: () => boolean): Promise<void> {
    return until(() => {
      this.proxy.workers.refreshAll();
      return isSo();
    });
  }
}
