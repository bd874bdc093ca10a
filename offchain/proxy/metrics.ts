import { Gauge, type Registry } from 'prom-client';
import type { Channel, Channels } from './channels';
import type { RequestBook } from './requests';
import type { WorkerPool } from './worker-pool';

/** What /metrics says of the proxy, read off its records when somebody asks. */
export function registerProxyMetrics(registry: Registry, parts: { workers: WorkerPool; channels: Channels; requests: RequestBook }): void {
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
  const sum = (read: (channel: Channel) => bigint) => Number(parts.channels.all().reduce((total, channel) => total + read(channel), 0n));
  gauge('cocoon_proxy_workers_connected', 'workers with a connection', () => parts.workers.size);
  gauge('cocoon_proxy_offers_count', 'offers that hold', () => parts.workers.offers(null).length);
  gauge('cocoon_proxy_channels_count', 'channels that are watched', () => [...parts.channels.all()].length);
  gauge('cocoon_proxy_outstanding_nano', 'receipts that neither a voucher nor a charge on chain stands for, nanoTON', () =>
    sum((channel) => parts.requests.unsecured(channel)),
  );
  gauge('cocoon_proxy_reserved_nano', 'most that requests in flight may cost, nanoTON', () =>
    sum(({ id }) => parts.requests.standing(id).reserved),
  );
}
