/** The database cannot be reached, or refuses to work for now; `cause` is its own error. */
export class DatabaseUnavailable extends Error {
  override readonly name = 'DatabaseUnavailable';
}

/** The database can be reached but not be used as it is configured; waiting does not help. */
export class DatabaseUnusable extends Error {
  override readonly name = 'DatabaseUnusable';
}

/** Classes of SQLSTATE (PostgreSQL, appendix A): connection, insufficient resources, an error of its own system. */
const outageClasses = ['08', '53', '58'];
/**
 * Shut down by the operator, crashed, cannot connect now, idle session timeout; and a server that became a standby
 * under our connection, as happens in a failover.
 */
const outageStates = ['57P01', '57P02', '57P03', '57P05', '25006'];
const systemErrors = [
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'ENOTFOUND', // names come and go with the containers that bear them
  'EAI_AGAIN',
];
/** What node-postgres and its pool say without a code. */
const messages = [
  /^Connection terminated/,
  /^timeout expired$/,
  /^timeout exceeded when trying to connect$/,
  /^Query read timeout$/,
  /^Client has encountered a connection error/,
  /^Client was closed and is not queryable$/,
  /^Connection ended during/,
];

/**
 * Whether a query or a connection failed because the database is away, and may succeed when it is repeated later;
 * otherwise it is a bug or a refusal. Looks at `cause` as well.
 */
export function isOutage(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    if (at instanceof DatabaseUnavailable) return true;
    // Several addresses of one host name, each of which failed.
    if (at instanceof AggregateError && at.errors.some(isOutage)) return true;
    const code = (at as NodeJS.ErrnoException).code ?? '';
    if (
      /^[0-9A-Z]{5}$/.test(code) &&
      (outageClasses.includes(code.slice(0, 2)) || outageStates.includes(code))
    )
      return true;
    // Of a Unix socket that is not there; elsewhere a file that is missing is another matter.
    const isSocketMissing = code === 'ENOENT' && (at as NodeJS.ErrnoException).syscall === 'connect';
    if (isSocketMissing || systemErrors.includes(code)) return true;
    if (messages.some((message) => message.test(at.message))) return true;
  }
  return false;
}
