import clocks.BubbleNow;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.pekko.actor.ActorRef;
import org.apache.pekko.actor.ActorSystem;
import org.apache.pekko.actor.Props;
import org.elasticmq.NodeAddress;
import org.elasticmq.StrictSQSLimits$;
import org.elasticmq.actor.QueueManagerActor;
import org.elasticmq.rest.sqs.SQSRestServer;
import org.elasticmq.rest.sqs.SQSRestServerBuilder$;
import org.elasticmq.util.NowProvider;
import scala.Option;

/**
 * ElasticMQ on the addresses that are given, at a free port; and on request
 * more of it whose clocks stand still until they are set, so that a test on
 * virtual time can have delays and visibility timeouts that are exact.
 *
 * <p>POST /new answers "id port" of a fresh server with a clock of its own;
 * POST /set/id/milliseconds sets that clock; POST /end/id ends it.
 *
 * <p>Prints both ports, and ends with its standard input.
 */
public final class QueueServer {
  /** A clock that shows what it was told. */
  static final class Hand extends NowProvider {
    final String system;

    Hand(String system) {
      this.system = system;
    }

    @Override
    public long nowMillis() {
      return BubbleNow.of(system);
    }

    @Override
    public OffsetDateTime now() {
      return Instant.ofEpochMilli(nowMillis()).atOffset(ZoneOffset.UTC);
    }
  }

  static final Map<String, ActorSystem> clocked = new ConcurrentHashMap<>();
  static final AtomicInteger made = new AtomicInteger();

  public static void main(String[] addresses) throws Exception {
    ActorSystem system = ActorSystem.create("queues");
    ActorRef queues = queues(system, new NowProvider());
    int port = open(system, queues, addresses[0], 0);
    for (int i = 1; i < addresses.length; i++) {
      open(system, queues, addresses[i], port);
    }
    HttpServer control =
        HttpServer.create(new InetSocketAddress(InetAddress.getByName("127.0.0.1"), 0), 0);
    control.setExecutor(Executors.newCachedThreadPool());
    control.createContext("/", QueueServer::control);
    control.start();
    System.out.println("port " + port + " " + control.getAddress().getPort());
    while (System.in.read() >= 0) {}
    Runtime.getRuntime().halt(0);
  }

  static ActorRef queues(ActorSystem system, NowProvider clock) {
    return system.actorOf(
        Props.create(
            QueueManagerActor.class, clock, StrictSQSLimits$.MODULE$, Option.<ActorRef>empty()));
  }

  /** Opens a server and returns its port. */
  static int open(ActorSystem system, ActorRef queues, String address, int port) {
    SQSRestServer server =
        SQSRestServerBuilder$.MODULE$
            .withActorSystem(system)
            .withQueueManagerActor(queues)
            .withSQSLimits(StrictSQSLimits$.MODULE$)
            .withInterface(address)
            .withPort(port)
            .withServerAddress(new NodeAddress("http", address, port, ""))
            .start();
    return server.waitUntilStarted().localAddress().getPort();
  }

  static void control(HttpExchange call) throws IOException {
    String[] words = call.getRequestURI().getPath().split("/");
    String answer = "";
    switch (words[1]) {
      case "new" -> {
        String id = "clocked" + made.incrementAndGet();
        ActorSystem system = ActorSystem.create(id);
        BubbleNow.set(id, 0);
        clocked.put(id, system);
        answer = id + " " + open(system, queues(system, new Hand(id)), "127.0.0.1", 0);
      }
      case "set" -> BubbleNow.set(words[2], Long.parseLong(words[3]));
      case "end" -> {
        clocked.remove(words[2]).terminate();
        BubbleNow.forget(words[2]);
      }
      default -> answer = "unknown";
    }
    byte[] body = answer.getBytes();
    call.sendResponseHeaders(200, body.length == 0 ? -1 : body.length);
    call.getResponseBody().write(body);
    call.close();
  }
}
