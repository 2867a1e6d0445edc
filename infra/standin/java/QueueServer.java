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
import java.util.concurrent.atomic.AtomicLong;
import org.apache.pekko.actor.ActorRef;
import org.apache.pekko.actor.ActorSystem;
import org.apache.pekko.actor.Props;
import org.elasticmq.NodeAddress;
import org.elasticmq.StrictSQSLimits$;
import org.elasticmq.actor.QueueManagerActor;
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
    final AtomicLong at = new AtomicLong();

    @Override
    public long nowMillis() {
      return at.get();
    }

    @Override
    public OffsetDateTime now() {
      return Instant.ofEpochMilli(at.get()).atOffset(ZoneOffset.UTC);
    }
  }

  record Clocked(Hand hand, ActorRef queues, org.elasticmq.rest.sqs.SQSRestServer server) {}

  static final Map<String, Clocked> clocked = new ConcurrentHashMap<>();
  static final ActorSystem system = ActorSystem.create("queues");

  public static void main(String[] addresses) throws Exception {
    ActorRef queues = queues(new NowProvider());
    int port = open(queues, addresses[0], 0).waitUntilStarted().localAddress().getPort();
    for (int i = 1; i < addresses.length; i++) {
      open(queues, addresses[i], port).waitUntilStarted();
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

  static ActorRef queues(NowProvider clock) {
    return system.actorOf(
        Props.create(
            QueueManagerActor.class, clock, StrictSQSLimits$.MODULE$, Option.<ActorRef>empty()));
  }

  static org.elasticmq.rest.sqs.SQSRestServer open(ActorRef queues, String address, int port) {
    return SQSRestServerBuilder$.MODULE$
        .withActorSystem(system)
        .withQueueManagerActor(queues)
        .withSQSLimits(StrictSQSLimits$.MODULE$)
        .withInterface(address)
        .withPort(port)
        .withServerAddress(new NodeAddress("http", address, port, ""))
        .start();
  }

  static void control(HttpExchange call) throws IOException {
    String[] words = call.getRequestURI().getPath().split("/");
    String answer = "";
    switch (words[1]) {
      case "new" -> {
        Hand hand = new Hand();
        ActorRef queues = queues(hand);
        var server = open(queues, "127.0.0.1", 0);
        int port = server.waitUntilStarted().localAddress().getPort();
        String id = Integer.toString(port);
        clocked.put(id, new Clocked(hand, queues, server));
        answer = id + " " + port;
      }
      case "set" -> clocked.get(words[2]).hand().at.set(Long.parseLong(words[3]));
      case "end" -> {
        Clocked ended = clocked.remove(words[2]);
        ended.server().stopAndGetFuture().apply();
        system.stop(ended.queues());
      }
      default -> answer = "unknown";
    }
    byte[] body = answer.getBytes();
    call.sendResponseHeaders(200, body.length == 0 ? -1 : body.length);
    call.getResponseBody().write(body);
    call.close();
  }
}
