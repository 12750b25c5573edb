// Starts a command for every tag that is pushed to a project, each exactly as often as it is pushed, also while this program
// does not run: `node nats-trigger.mjs nats://localhost:4222 library ./deploy.sh`, after `npm install nats`.
// The command finds the event in SHIPLOG_TAG, SHIPLOG_REPOSITORY and SHIPLOG_DIGEST, and as JSON on its standard input.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { AckPolicy, connect, DeliverPolicy, nanos } from 'nats';

const [servers, project, command, ...args] = process.argv.slice(2);
const stream = process.env.SHIPLOG_STREAM ?? 'SHIPLOG_EVENTS';
const durable = process.env.SHIPLOG_DURABLE ?? `ci-${project.replaceAll('.', '_')}`;
// In a subject a dot parts words, and those of a project's name are written in another way.
const subject = `shiplog.events.${project.replaceAll('.', '%2E')}.tag`;

const connection = await connect({ servers, maxReconnectAttempts: -1 });
const manager = await connection.jetstreamManager();
// NATS keeps how far the consumer is, by its name. Made again as it is, it goes on where it was.
await manager.consumers.add(stream, {
  durable_name: durable,
  filter_subject: `${subject}.*`,
  deliver_policy: DeliverPolicy.All,
  ack_policy: AckPolicy.Explicit,
  // Not the next one before this one is done, so that the last push of a tag wins.
  max_ack_pending: 1,
  ack_wait: nanos(30_000),
});

const consumer = await connection.jetstream().consumers.get(stream, durable);
for await (const message of await consumer.consume({ max_messages: 1 })) {
  const event = message.json();
  if (['io.shiplog.tag.assigned', 'io.shiplog.tag.moved'].includes(event.type)) {
    const working = setInterval(() => message.working(), 10_000);
    const code = await run(event);
    clearInterval(working);
    if (code !== 0) {
      // It comes again, before any other.
      message.nak(5_000);
      continue;
    }
  }
  // Whoever is killed between the command and here gets the event again: the command may look at its id.
  await message.ackAck();
}

async function run(event) {
  const { id, tag = '', repository = '', digest = '' } = event;
  const named = {
    SHIPLOG_EVENT: id,
    SHIPLOG_TAG: tag,
    SHIPLOG_REPOSITORY: repository,
    SHIPLOG_DIGEST: digest,
  };
  const child = spawn(command, args, {
    stdio: ['pipe', 'inherit', 'inherit'],
    env: { ...process.env, ...named },
  });
  child.stdin.on('error', () => undefined).end(JSON.stringify(event));
  const [code] = await once(child, 'exit');
  return code;
}
