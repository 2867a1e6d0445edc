package clocks;

import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The time of a server with a clock of its own. ElasticMQ takes the time of a
 * message that is sent, and of a count, from the machine and not from the clock
 * it is given; there its classes are made to ask here instead (install.go).
 * Which server is asking is known by the thread, which is named after its actor
 * system; for all others it is the machine's time.
 */
public final class BubbleNow {
  private static final Map<String, Long> times = new ConcurrentHashMap<>();

  public static long currentTimeMillis() {
    String thread = Thread.currentThread().getName();
    int end = thread.indexOf('-');
    Long time = end < 0 ? null : times.get(thread.substring(0, end));
    return time == null ? System.currentTimeMillis() : time;
  }

  public static OffsetDateTime now() {
    return Instant.ofEpochMilli(currentTimeMillis()).atOffset(ZoneOffset.UTC);
  }

  public static long of(String system) {
    return times.getOrDefault(system, 0L);
  }

  public static void set(String system, long time) {
    times.put(system, time);
  }

  public static void forget(String system) {
    times.remove(system);
  }
}
