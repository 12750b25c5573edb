import type { SendError } from '../../domain/webhook-delivery/events.ts';

/** Sends one request to an address that somebody has written down, and trusts neither him nor who answers. */
export interface WebhookSender {
  /**
   * Sends `body` by POST. Resolves to what became of it, whatever that is. Nothing is sent a second time, and no redirection
   * is followed: an answer of 3xx is an answer.
   * @throws the reason of `signal`, when that is aborted
   */
  send(request: WebhookRequest): Promise<WebhookOutcome>;
  /** Whether the address names a host that must not be asked, as far as that can be told without looking up its name. */
  refuses(address: string): boolean;
}

export interface WebhookRequest {
  /** As it was given; see `webhookUrl`. */
  readonly address: string;
  /** The type of the content among them. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Whether any certificate will do. */
  readonly skipCertVerify: boolean;
  /** For all of it: looking up the name, connecting, sending and reading the answer. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** How long each part took, in milliseconds; null for what was not come to. */
export interface SendTimings {
  readonly dnsMs: number | null;
  readonly connectMs: number | null;
  readonly tlsMs: number | null;
  /** From when the request was sent to the first byte of the answer. */
  readonly firstByteMs: number | null;
  readonly totalMs: number;
}

export type WebhookOutcome = Answered | SendFailed;

export interface Answered {
  readonly kind: 'answered';
  readonly status: number;
  /** By lower-case names: at most 50, each of at most 1024 characters. */
  readonly headers: Readonly<Record<string, string>>;
  /** Its first 64 KiB, or what came of it in time. */
  readonly body: Uint8Array;
  /** Whether that is all of it. */
  readonly isWhole: boolean;
  readonly timings: SendTimings;
  /** The IP address that has answered. */
  readonly address: string;
}

export interface SendFailed {
  readonly kind: 'failed';
  readonly reason: SendError;
  /** For people; it repeats nothing of the address that could be secret. */
  readonly message: string;
  readonly timings: SendTimings;
}
