import java.lang.reflect.Field;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import software.amazon.dynamodb.services.local.main.ServerRunner;
import software.amazon.dynamodb.services.local.server.DynamoDBProxyServer;

/**
 * DynamoDB Local in memory on the addresses that are given, at a free port.
 * The program's own main listens on every address of the machine and cannot be
 * told otherwise, so its connector is reached for and bound before it opens.
 * Prints the port, and ends with its standard input.
 */
public final class TableServer {
  public static void main(String[] addresses) throws Exception {
    DynamoDBProxyServer program =
        ServerRunner.createServerFromCommandLineArgs(
            new String[] {"-inMemory", "-sharedDb", "-disableTelemetry", "-port", "8000"});
    Field held = DynamoDBProxyServer.class.getDeclaredField("server");
    held.setAccessible(true);
    Server server = (Server) held.get(program);
    ServerConnector first = (ServerConnector) server.getConnectors()[0];
    first.setHost(addresses[0]);
    first.setPort(0);
    program.start();
    int port = first.getLocalPort();
    for (int i = 1; i < addresses.length; i++) {
      ServerConnector more = new ServerConnector(server);
      more.setHost(addresses[i]);
      more.setPort(port);
      server.addConnector(more);
      more.start();
    }
    System.out.println("port " + port);
    while (System.in.read() >= 0) {}
    System.exit(0);
  }
}
