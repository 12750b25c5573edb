/** What is known of the forwarding of the audit log beside how far it is, in all processes and over restarts. */
export interface ForwardingState {
  /** The states of those that have one, by the target's name. */
  all(): Promise<ReadonlyMap<string, TargetState>>;
  /** The newest of the records that the target has refused for ever. */
  refusedBy(target: string, limit: number): Promise<readonly PutAside[]>;
  /** How many records it has refused since it took one. */
  refusedInARow(target: string): Promise<number>;
  failed(target: string, error: string): Promise<void>;
  /** Puts a record aside; the same once more changes nothing. Resolves to how many it has refused since it took one. */
  putAside(target: string, record: Omit<PutAside, 'at'>): Promise<number>;
  /** It has taken some; those among `ids` that were put aside are so no longer. */
  took(target: string, ids: readonly string[]): Promise<void>;
  /** Removes what targets have answered, in which they may have quoted what they were sent. */
  forgetWords(): Promise<void>;
}

export interface TargetState {
  readonly lastError: string | undefined;
  readonly lastErrorAt: Date | undefined;
  /** How many records were put aside in all. */
  readonly refused: number;
}

export interface PutAside {
  /** The id of the event. */
  readonly id: string;
  readonly position: bigint;
  readonly reason: string;
  readonly at: Date;
}
