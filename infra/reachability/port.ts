/** Whether somebody answers at the other end; nothing is sent to him. */
export interface Reachability {
  /**
   * Whether a connection to `host:port` opens in time. False alike for what is no such address, for what must not be
   * connected to, and for what does not answer: who asks learns nothing else of the network.
   */
  reaches(address: string): Promise<boolean>;
}
