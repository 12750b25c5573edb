import {
  type Attributes,
  context,
  DiagLogLevel,
  diag,
  isSpanContextValid,
  propagation,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';

export interface Tracing {
  /** Sends what has ended and was not sent, for as long as an export may take, and turns tracing off. */
  stop(): Promise<void>;
}

export interface TracingSettings {
  /** The OTLP/HTTP collector: `host:port`, or a URL without a path. */
  readonly endpoint: string;
  /** `/v1/traces` */
  readonly urlPath: string;
  /** The part of all traces that begin here, 0 to 1; one that a client began is sampled when the client says so. */
  readonly sampleRate: number;
  /** Whether `endpoint` without a scheme means plain HTTP. */
  readonly insecure: boolean;
  /** For one export. */
  readonly timeoutMs: number;
  /** gzip */
  readonly compression: boolean;
  readonly serviceName: string;
  readonly version: string;
  readonly namespace?: string | undefined;
  /** Further attributes of the resource. */
  readonly attributes?: Readonly<Record<string, string>>;
  /** Told when spans cannot be exported; they are dropped then. */
  readonly report?: (problem: string) => void;
}

/**
 * Starts to record and export traces of this process, with W3C Trace Context for what comes in. A collector that
 * cannot be reached slows nothing down: spans wait in a bounded queue and are dropped when it is full.
 */
export async function startTracing(settings: TracingSettings): Promise<Tracing> {
  // Only who traces pays for loading it.
  const [sdk, { OTLPTraceExporter }, { resourceFromAttributes }, names] = await Promise.all([
    import('@opentelemetry/sdk-trace-node'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/semantic-conventions'),
  ]);
  type ExporterSettings = NonNullable<ConstructorParameters<typeof OTLPTraceExporter>[0]>;

  const { timeoutMs, report } = settings;
  if (report !== undefined) diag.setLogger(problemsTo(report), { logLevel: DiagLogLevel.WARN });
  const exporter = new OTLPTraceExporter({
    url: urlOf(settings),
    timeoutMillis: timeoutMs,
    compression: (settings.compression ? 'gzip' : 'none') as NonNullable<ExporterSettings['compression']>,
  });
  const provider = new sdk.NodeTracerProvider({
    resource: resourceFromAttributes({
      ...settings.attributes,
      [names.ATTR_SERVICE_NAME]: settings.serviceName,
      [names.ATTR_SERVICE_VERSION]: settings.version,
      ...(settings.namespace && { 'service.namespace': settings.namespace }),
    }),
    sampler: new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(settings.sampleRate) }),
    spanProcessors: [new sdk.BatchSpanProcessor(exporter, { exportTimeoutMillis: timeoutMs })],
  });
  provider.register();

  return {
    async stop() {
      await Promise.race([
        provider.shutdown().catch((error: Error) => report?.(error.message)),
        after(timeoutMs),
      ]);
      trace.disable();
      context.disable();
      propagation.disable();
      diag.disable();
    },
  };
}

const urlOf = ({ endpoint, insecure, urlPath }: TracingSettings): string => {
  const url = /^https?:\/\//i.test(endpoint) ? endpoint : `${insecure ? 'http' : 'https'}://${endpoint}`;
  return url.replace(/\/$/, '') + urlPath;
};

const after = (timeoutMs: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, timeoutMs).unref();
  });

function problemsTo(report: (problem: string) => void) {
  const tell = (message: string) => report(message);
  const nothing = () => undefined;
  return { error: tell, warn: tell, info: nothing, debug: nothing, verbose: nothing };
}

/**
 * Runs `work` in a span, under the one that is active, and resolves as it does; a rejection marks the span as failed.
 * While tracing is off it only runs `work`.
 */
export function inSpan<T>(name: string, attributes: Attributes, work: () => Promise<T>): Promise<T> {
  return trace.getTracer('shiplog').startActiveSpan(name, { attributes }, async (span) => {
    try {
      return await work();
    } catch (error) {
      const { message } = error instanceof Error ? error : { message: String(error) };
      span.recordException(error instanceof Error ? error : message);
      span.setStatus({ code: SpanStatusCode.ERROR, message });
      throw error;
    } finally {
      span.end();
    }
  });
}

/** The `traceparent` (W3C Trace Context) of the active span; undefined outside of any and while tracing is off. */
export function currentTraceparent(): string | undefined {
  const span = trace.getActiveSpan()?.spanContext();
  if (span === undefined || !isSpanContextValid(span)) return undefined;
  return `00-${span.traceId}-${span.spanId}-${span.traceFlags.toString(16).padStart(2, '0')}`;
}

/**
 * Runs `work` so that its spans continue the trace of `carrier`: a request's headers, or an event's metadata with its
 * `traceparent`. What is not valid there is as if it were not there.
 */
export const continueTrace = <T>(carrier: object, work: () => T): T =>
  context.with(propagation.extract(context.active(), carrier), work);
