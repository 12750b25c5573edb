import type { TargetForm } from '../../domain/webhook-delivery/body.ts';

/** What was sent in an attempt and what came back, without what is secret. */
export interface WebhookAttempt {
  readonly deliveryId: number;
  /** Of all attempts of the delivery, from 1. */
  readonly attempt: number;
  readonly at: Date;
  readonly request: {
    /** Scheme, host and port: the rest of an address can be a secret. */
    readonly origin: string;
    readonly headers: Readonly<Record<string, string>>;
    /** What the body was made by, of what the delivery tells: the body itself would keep the names of users who are erased. */
    readonly form: TargetForm;
  };
  /** Undefined where there was no answer. */
  readonly response:
    | {
        readonly status: number;
        readonly headers: Readonly<Record<string, string>>;
        /** Its first 64 KiB. */
        readonly body: string;
      }
    | undefined;
  /** Why there was none. */
  readonly error: { readonly kind: string; readonly message: string } | undefined;
  /** In milliseconds, by what was waited for; null for what was not come to. */
  readonly timings: Readonly<Record<string, number | null>>;
  readonly durationMs: number;
}

export interface KeptAttempt extends WebhookAttempt {
  /** The keyed hash of the name of who is told of in it. */
  readonly personKey: string;
}

/** What attempts to deliver have sent and got: rows beside the views, which a replay does not bring back. */
export interface WebhookAttempts {
  /** In the place of one of the same number. */
  write(attempt: KeptAttempt): Promise<void>;
  /** The attempts of a delivery, the last first; at most `limit`. */
  read(deliveryId: number, limit: number): Promise<readonly WebhookAttempt[]>;
  /** Removes some of those that began before; resolves to how many. */
  sweep(before: Date, limit: number): Promise<number>;
  /** Removes all that tell of persons of these keys, and what PostgreSQL keeps of them. */
  forgetAbout(personKeys: readonly string[]): Promise<void>;
}
