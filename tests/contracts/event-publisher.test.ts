import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { inspect } from 'node:util';
import { type NatsConnection, nanos, nkeys, RetentionPolicy, StorageType } from 'nats';
import { publisherOptions } from '../../bin/settings.ts';
import { loadConfiguration } from '../../infra/configuration/load.ts';
import { newEventId } from '../../infra/event-log/ids.ts';
import { type JetStreamPublisherOptions, jetStreamPublisher } from '../../infra/event-publisher/jetstream.ts';
import { type OutgoingEvent, PublisherUnavailable, StreamUnfit } from '../../infra/event-publisher/port.ts';
import { type NatsServer, natsVersion, startNatsServer } from '../nats-server.ts';
import { connectNats, readStream } from '../nats-stream.ts';
import { findTools, requireTool } from '../tool.ts';
import { until } from '../until.ts';

let position = 0n;

function anEvent(more: Partial<OutgoingEvent> & { readonly data?: object } = {}): OutgoingEvent {
  const { data = { tag: '1.0' }, ...given } = more;
  const id = newEventId();
  position += 3n;
  const sequence = String(position).padStart(20, '0');
  const attributes = { specversion: '1.0', id, source: 'https://registry', type: 'io.shiplog.tag.moved' };
  const cloudEvent = { ...attributes, time: '2026-11-28T00:00:00.000Z', sequence, data };
  return { id, position, project: 'library', type: 'tag.moved', cloudEvent, ...given };
}

const someEvents = (count: number): OutgoingEvent[] => Array.from({ length: count }, () => anEvent());
const idsOf = (events: readonly { readonly id: string }[]): string[] => events.map(({ id }) => id);

interface Engine {
  readonly server: NatsServer;
  readonly nats: NatsConnection;
}

const programs = findTools('nats-server');
if (programs.length === 0)
  test('events are published to JetStream', (t) => void requireTool(t, 'nats-server'));

// Every server on this machine, since Debian's is years older than the current one.
for (const program of programs) {
  const { text } = natsVersion(program);
  let engine: Promise<Engine> | undefined;
  after(async () => {
    const started = await engine;
    await started?.nats.close();
    await started?.server.stop();
  });
  async function startEngine(): Promise<Engine> {
    const server = await startNatsServer(program, { maxPayload: '64KB' });
    return { server, nats: await connectNats(server.port) };
  }

  async function start(more: Partial<JetStreamPublisherOptions> = {}) {
    engine ??= startEngine();
    const { server, nats } = await engine;
    const streamName = `events-${randomUUID()}`;
    const warnings: string[] = [];
    const options = {
      ...{ streamName, subjectPrefix: streamName, replicas: 1, maxAgeMs: 3_600_000, maxBytes: -1 },
      connection: { servers: [`127.0.0.1:${server.port}`] },
      ...more,
    };
    const open = () => jetStreamPublisher(options, { warn: (message) => warnings.push(message) });
    const publisher = open();
    after(() => publisher.close());
    const stored = () => readStream(nats, streamName);
    const manager = await nats.jetstreamManager();
    return { ...{ server, nats, manager, streamName, warnings, open, publisher, stored } };
  }
  const named = (name: string, work: () => Promise<void>) => test(`nats-server ${text}: ${name}`, work);

  named(
    'events are stored in their order, as CloudEvents, and the end of the stream tells the last',
    async () => {
      const { publisher, stored, streamName } = await start();
      assert.equal(await publisher.end(), undefined);
      const events = [
        anEvent({ project: 'team.one-two', type: 'artifact.pushed' }),
        anEvent({ project: undefined, type: 'user.created' }),
        ...someEvents(1500),
      ];
      await publisher.publish(events.slice(0, 3));
      await publisher.publish(events.slice(3));

      const found = await stored();
      assert.deepEqual(idsOf(found), idsOf(events));
      assert.deepEqual(
        found.slice(0, 3).map(({ subject }) => subject),
        [
          `${streamName}.team%2Eone-two.artifact.pushed`,
          `${streamName}._.user.created`,
          `${streamName}.library.tag.moved`,
        ],
      );
      assert.deepEqual(found[0]?.event, events[0]?.cloudEvent);
      assert.equal(found[0]?.position, events[0]?.position);
      assert.equal(found[0]?.contentType, 'application/cloudevents+json; charset=utf-8');
      const last = events.at(-1);
      assert.deepEqual(await publisher.end(), { id: last?.id, position: last?.position });
    },
  );

  named('no name makes a wildcard or another subject of itself', async () => {
    const { publisher, stored, streamName } = await start();
    await publisher.end();
    const names = ['*', '>', 'a.>', 'a b', 'é\0\r\n', '\ud800', '', 'x'.repeat(255), '.'.repeat(255)];
    await publisher.publish(names.map((project) => anEvent({ project })));
    const found = await stored();
    assert.equal(found.length, names.length);
    for (const { subject } of found) {
      const [prefix, token, ...type] = subject.split('.');
      assert.deepEqual([prefix, type], [streamName, ['tag', 'moved']]);
      assert.match(token ?? '', /^[A-Za-z0-9_%-]+$/);
    }
    assert.equal(new Set(found.map(({ subject }) => subject)).size, names.length);
  });

  named('of two publishers one is refused, and nothing is there twice or missing', async () => {
    const { open, stored } = await start();
    const events = someEvents(400);
    const publishAll = async () => {
      const publisher = open();
      try {
        for (;;) {
          try {
            const last = await publisher.end();
            let rest = events.filter(({ position }) => position > (last?.position ?? 0n));
            for (; rest.length > 0; rest = rest.slice(20)) await publisher.publish(rest.slice(0, 20));
            return;
          } catch (error) {
            assert.ok(error instanceof PublisherUnavailable, String(error));
          }
        }
      } finally {
        await publisher.close();
      }
    };
    await Promise.all([publishAll(), publishAll(), publishAll()]);
    assert.deepEqual(idsOf(await stored()), idsOf(events));
  });

  named('what was on its way when the server was killed is stored once', async () => {
    const { publisher, stored, server } = await start();
    const events = someEvents(3000);
    await publisher.end();
    const publishing = publisher.publish(events);
    publishing.catch(() => undefined);
    await publisher.publish([]);
    await server.restart();
    await publishing.catch((error) => assert.ok(error instanceof PublisherUnavailable, String(error)));
    const publishRest = async () => {
      try {
        const last = await publisher.end();
        await publisher.publish(events.filter(({ position }) => position > (last?.position ?? 0n)));
        return true;
      } catch (error) {
        // It takes a while until the server has read its files.
        assert.ok(error instanceof PublisherUnavailable, String(error));
        return false;
      }
    };
    await until('all is stored', publishRest, 60_000);
    assert.deepEqual(idsOf(await stored()), idsOf(events));
  });

  named(
    'a stream that is purged or deleted tells no end, and what it held is not stored once more',
    async () => {
      const { publisher, stored, manager, streamName } = await start();
      const [one, two, three, four] = someEvents(4) as [
        OutgoingEvent,
        OutgoingEvent,
        OutgoingEvent,
        OutgoingEvent,
      ];
      await publisher.end();
      await publisher.publish([one, two, three]);
      await manager.streams.purge(streamName);
      assert.equal(await publisher.end(), undefined);
      // The server knows the ids for two minutes.
      await publisher.publish([two, three, four]);
      assert.deepEqual(idsOf(await stored()), idsOf([four]));

      await manager.streams.delete(streamName);
      await assert.rejects(publisher.publish([anEvent()]), PublisherUnavailable);
      assert.equal(await publisher.end(), undefined);
      const next = anEvent();
      await publisher.publish([next]);
      assert.deepEqual(idsOf(await stored()), idsOf([next]));
    },
  );

  named('an event that is too large for a message goes without its data, and says so', async () => {
    const { publisher, stored } = await start();
    await publisher.end();
    const large = anEvent({ data: { text: 'x'.repeat(70_000) } });
    const full = anEvent({ data: { text: 'x'.repeat(60_000) } });
    const wide = anEvent();
    const reason = 'é'.repeat(40_000);
    await publisher.publish([
      large,
      full,
      { ...wide, cloudEvent: { ...wide.cloudEvent, reason } },
      anEvent(),
    ]);
    const [first, second, third, fourth] = await stored();
    const { data: _, ...attributes } = large.cloudEvent;
    assert.deepEqual(first?.event, { ...attributes, truncated: true });
    assert.deepEqual(second?.event, full.cloudEvent);
    assert.deepEqual(Object.keys(third?.event ?? {}).toSorted(), [
      ...['id', 'sequence', 'source', 'specversion', 'time', 'truncated', 'type'],
    ]);
    assert.equal(fourth?.event.truncated, undefined);
  });

  named(
    'a stream of another shape stays as it is: with a warning, or refused where it is unfit',
    async () => {
      const { manager, publisher, streamName, warnings } = await start();
      const subjects = [`${streamName}.>`];
      const other = { max_age: nanos(300_000), storage: StorageType.Memory };
      await manager.streams.add({ name: streamName, subjects, ...other });
      await publisher.end();
      await publisher.publish([anEvent()]);
      await publisher.end();
      assert.deepEqual(
        warnings.map((warning) => /has (\w+):/.exec(warning)?.[1]),
        ['storage', 'max_age'],
      );
      assert.equal((await manager.streams.info(streamName)).config.max_age, nanos(300_000));

      for (const [unfit, words] of [
        [{ subjects: [...subjects, `other.${streamName}`] }, /other subjects/],
        [{ subjects, retention: RetentionPolicy.Interest }, /forgets/],
        [{ subjects, no_ack: true }, /acknowledge/],
      ] as const) {
        const { manager, publisher, streamName: name } = await start();
        const own = unfit.subjects.map((subject) => subject.replaceAll(streamName, name));
        await manager.streams.add({ name, ...unfit, subjects: own });
        await assert.rejects(publisher.end(), (error) => {
          assert.ok(error instanceof StreamUnfit, String(error));
          assert.match(error.message, words);
          return true;
        });
      }
    },
  );

  named('messages of somebody else are passed over, and refused where they are many', async () => {
    const { nats, publisher, streamName, stored } = await start();
    await publisher.end();
    const [one, two] = someEvents(2) as [OutgoingEvent, OutgoingEvent];
    await publisher.publish([one]);
    await nats.jetstream().publish(`${streamName}.forged`, '{}');
    await assert.rejects(publisher.publish([two]), PublisherUnavailable);
    assert.equal((await publisher.end())?.id, one.id);
    await publisher.publish([two]);
    assert.deepEqual(idsOf(await stored()), [one.id, '', two.id]);
    for (let n = 0; n < 100; n++) await nats.jetstream().publish(`${streamName}.forged`, '{}');
    await assert.rejects(publisher.end(), StreamUnfit);
  });
}

test('it logs in as the configuration says, by password or NKey, and tells nobody a wrong password', async (t) => {
  const program = requireTool(t, 'nats-server');
  if (program === undefined) return;
  const user = nkeys.createUser();
  const users = `{ user: ann, password: "secret-1" }, { nkey: ${user.getPublicKey()} }`;
  const server = await startNatsServer(program, { cluster: `authorization { users: [${users}] }` });
  t.after(() => server.stop());
  const publisherWith = async (more: Readonly<Record<string, string>>) => {
    const variables = { SERVERS: `127.0.0.1:${server.port}`, MAX_AGE: '1h', MAX_BYTES: '1048576', ...more };
    const { events } = await loadConfiguration({
      environment: Object.fromEntries(
        Object.entries(variables).map(([name, value]) => [`SHIPLOG_EVENTS_NATS_${name}`, value]),
      ),
    });
    assert.ok(events.nats);
    const publisher = jetStreamPublisher(await publisherOptions(events.nats), { warn: assert.fail });
    t.after(() => publisher.close());
    return publisher;
  };

  const byPassword = await publisherWith({ USER: 'ann', PASSWORD: 'secret-1' });
  assert.equal(await byPassword.end(), undefined);
  const event = anEvent();
  await byPassword.publish([event]);
  const byKey = await publisherWith({ NKEY: Buffer.from(user.getSeed()).toString() });
  assert.equal((await byKey.end())?.id, event.id);

  const refused = await publisherWith({ USER: 'ann', PASSWORD: 'secret-2' });
  await assert.rejects(refused.end(), (error) => {
    assert.ok(error instanceof PublisherUnavailable);
    assert.doesNotMatch(inspect(error, { depth: 10 }), /secret-/);
    return true;
  });
});

test('a NATS that is not there is unavailable', async () => {
  const publisher = jetStreamPublisher(
    {
      ...{ streamName: 'events', subjectPrefix: 'events', replicas: 1, maxAgeMs: 3_600_000, maxBytes: -1 },
      // Port 1 is reserved, and nothing listens there.
      connection: { servers: ['127.0.0.1:1'] },
    },
    { warn: assert.fail },
  );
  await assert.rejects(publisher.end(), PublisherUnavailable);
  await publisher.close();
});
