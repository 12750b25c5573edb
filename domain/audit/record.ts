/** What is said of an event to who keeps an audit log of his own; the same whenever it is said again. */
export interface AuditRecord {
  /** The id of the event, by which what comes a second time is told. */
  readonly id: string;
  readonly position: bigint;
  readonly at: Date;
  /** `create_artifact`: the operation and the type of the resource, as the audit log names them. */
  readonly type: string;
  readonly operation: string;
  readonly resourceType: string;
  /** The type of the event in the log. */
  readonly eventType: string;
  readonly actorKind: 'user' | 'robot' | 'anonymous' | 'system';
  /** Without the prefix of a robot. */
  readonly actor: string;
  /** The number of the access token by which a user did it. */
  readonly accessToken?: number;
  readonly address?: string;
  readonly agent?: string;
  readonly resource: string;
  readonly description: string;
  readonly succeeded: boolean;
  /** Why, in the words of who did it. */
  readonly reason?: string;
  readonly correlationId?: string;
  readonly requestId?: string;
  /** W3C Trace Context. */
  readonly traceparent?: string;
  readonly project?: string;
  readonly projectId?: number;
}

/** As JSON, by the names that the API gives; what is not known is left out. */
export const recordJson = (record: AuditRecord) => ({
  id: record.id,
  position: Number(record.position),
  at: record.at.toISOString(),
  type: record.type,
  operation: record.operation,
  event_type: record.eventType,
  actor_kind: record.actorKind,
  actor: record.actor,
  access_token: record.accessToken,
  address: record.address,
  user_agent: record.agent,
  resource_type: record.resourceType,
  resource: record.resource,
  description: record.description,
  result: record.succeeded ? 'success' : 'failure',
  reason: record.reason,
  correlation_id: record.correlationId,
  request_id: record.requestId,
  project: record.project,
  project_id: record.projectId,
});
