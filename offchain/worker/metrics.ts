import { Gauge, type Registry } from 'prom-client';
import type { AccountView, WorkerAccounts } from './accounts';
import type { ProxyLink } from './proxy-link';

/** What /metrics says of the worker, read off its accounts when somebody asks. */
export function registerWorkerMetrics(registry: Registry, links: ReadonlyMap<string, ProxyLink>, accounts: WorkerAccounts): void {
  const gauge = (name: string, help: string, read: () => number) => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  };
  const sum = (read: (account: AccountView) => bigint) =>
    Number([...links.values()].reduce((total, { contract }) => total + (contract === null ? 0n : read(accounts.view(contract))), 0n));
  gauge('cocoon_worker_proxies_connected', 'proxies with a connection', () => [...links.values()].filter((link) => link.connected).length);
  gauge('cocoon_worker_earned_nano', 'earned by receipts at own prices, nanoTON', () => sum(({ earned }) => earned));
  gauge('cocoon_worker_promised_nano', 'total of the newest vouchers, nanoTON', () => sum(({ voucher }) => voucher?.voucher.total ?? 0n));
  gauge('cocoon_worker_reserved_nano', 'most that requests in flight may cost, nanoTON', () => sum(({ reserved }) => reserved));
}
